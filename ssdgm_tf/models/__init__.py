"""Models: graphs of variables, their bounds, inference, and the training step that `model.fit` runs."""

from ssdgm_tf.models.adgm import ADGM, SDGM
from ssdgm_tf.models.base import SemiSupervisedModel
from ssdgm_tf.models.faces import Faces
from ssdgm_tf.models.graphical import GraphicalModel
from ssdgm_tf.models.m1m2 import M1M2
from ssdgm_tf.models.m2 import M2, DisentangledVAE
from ssdgm_tf.models.multi_digit import MultiDigit
from ssdgm_tf.models.named import NamedModel, Options, empirical_prior
from ssdgm_tf.models.vae import VAE, ConditionalVAE

__all__ = [
    "ADGM",
    "M1M2",
    "M2",
    "SDGM",
    "VAE",
    "ConditionalVAE",
    "DisentangledVAE",
    "Faces",
    "GraphicalModel",
    "MultiDigit",
    "NamedModel",
    "Options",
    "SemiSupervisedModel",
    "empirical_prior",
]
