"""Models: training, inference and export of any graph, and the named models of the literature."""

from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.named_model import NamedModel
from ssdgm_tf.models.options import Options, empirical_prior
from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel
from ssdgm_tf.models.zoo.adgm import ADGM
from ssdgm_tf.models.zoo.adversarial_autoencoder import AdversarialAutoencoder
from ssdgm_tf.models.zoo.conditional_vae import ConditionalVAE
from ssdgm_tf.models.zoo.disentangled_vae import DisentangledVAE
from ssdgm_tf.models.zoo.faces import Faces
from ssdgm_tf.models.zoo.hierarchical_vae import HierarchicalVAE
from ssdgm_tf.models.zoo.m1m2 import M1M2
from ssdgm_tf.models.zoo.m2 import M2
from ssdgm_tf.models.zoo.multi_digit import MultiDigit
from ssdgm_tf.models.zoo.sdgm import SDGM
from ssdgm_tf.models.zoo.table import Table
from ssdgm_tf.models.zoo.vae import VAE

__all__ = [
    "ADGM",
    "M1M2",
    "M2",
    "SDGM",
    "VAE",
    "AdversarialAutoencoder",
    "ConditionalVAE",
    "DisentangledVAE",
    "Faces",
    "GraphicalModel",
    "HierarchicalVAE",
    "MultiDigit",
    "NamedModel",
    "Options",
    "SemiSupervisedModel",
    "Table",
    "empirical_prior",
]
