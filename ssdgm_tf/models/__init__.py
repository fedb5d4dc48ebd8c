"""Models: networks, bounds, inference, and the training step that `model.fit` runs."""

from ssdgm_tf.models.base import SemiSupervisedModel
from ssdgm_tf.models.m2 import M2

__all__ = ["M2", "SemiSupervisedModel"]
