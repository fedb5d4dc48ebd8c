"""Data sets as arrays, label draws by seed, standardised vectors, whitening. Uses the network only if asked to download."""

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.canvases import Canvases, known_places, load_canvases, make_canvases, save_canvases, stream_canvases
from ssdgm_tf.data.cells import Cells, load_cells
from ssdgm_tf.data.csv import load_csv
from ssdgm_tf.data.digits import load_digits
from ssdgm_tf.data.faces import directions, load_faces
from ssdgm_tf.data.folder import load_folder
from ssdgm_tf.data.idx import load_idx
from ssdgm_tf.data.mat import load_mat
from ssdgm_tf.data.npy import load_npy
from ssdgm_tf.data.npz import load_npz
from ssdgm_tf.data.preprocessing import (
    AffineMap,
    Standardization,
    Whitening,
    fit_preprocessing,
    of_images,
    parse_preprocessing,
)
from ssdgm_tf.data.public_tables import load_public_table
from ssdgm_tf.data.raw import Limits
from ssdgm_tf.data.records import load_records
from ssdgm_tf.data.series import interpolated, load_series
from ssdgm_tf.data.sources import load, require
from ssdgm_tf.data.splits import draw_labels, folds, hide_labels
from ssdgm_tf.data.streaming import Bad, Examples
from ssdgm_tf.data.tables import load_table
from ssdgm_tf.data.tfds import load_tfds

__all__ = [
    "AffineMap",
    "Bad",
    "Canvases",
    "Cells",
    "Examples",
    "Limits",
    "SemiSupervisedData",
    "Standardization",
    "Whitening",
    "directions",
    "draw_labels",
    "fit_preprocessing",
    "folds",
    "hide_labels",
    "interpolated",
    "known_places",
    "load",
    "load_canvases",
    "load_cells",
    "load_csv",
    "load_digits",
    "load_faces",
    "load_folder",
    "load_idx",
    "load_mat",
    "load_npy",
    "load_npz",
    "load_public_table",
    "load_records",
    "load_series",
    "load_table",
    "load_tfds",
    "make_canvases",
    "of_images",
    "parse_preprocessing",
    "require",
    "save_canvases",
    "stream_canvases",
]
