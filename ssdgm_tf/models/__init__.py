"""Models: graphs of variables, their bounds, inference, and the training step that `model.fit` runs."""

from ssdgm_tf.models.base import SemiSupervisedModel
from ssdgm_tf.models.graphical import GraphicalModel
from ssdgm_tf.models.m2 import M2

__all__ = ["M2", "GraphicalModel", "SemiSupervisedModel"]
