"""When to believe a prediction: calibrated probabilities, sets of classes, and examples of no class. NumPy in and out.

Models have these as methods: `calibrate` and `predict_sets`.
"""

from ssdgm_tf.trust.conformal import class_scores, sets, threshold
from ssdgm_tf.trust.scaling import Scaling, temperature, vector

__all__ = ["Scaling", "class_scores", "sets", "temperature", "threshold", "vector"]
