"""When to believe a prediction: calibrated probabilities, sets of classes, and examples of no class.

Models have these as methods: `calibrate` and `predict_sets`, `fit_novelty` and `is_novel`.
"""

from ssdgm_tf.trust.conformal import class_scores, sets, threshold
from ssdgm_tf.trust.novelty import Novelty
from ssdgm_tf.trust.scaling import Scaling, temperature, vector

__all__ = ["Novelty", "Scaling", "class_scores", "sets", "temperature", "threshold", "vector"]
