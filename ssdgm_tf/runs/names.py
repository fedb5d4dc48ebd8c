"""Names that the flags of the commands offer. Imports no TensorFlow."""

#: The devices that `--strategy` chooses.
STRATEGIES = ("none", "mirrored", "multi_worker")
#: What `--precision` chooses; see `ssdgm_tf.runs.precision`.
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
#: Where the labels come from that calibrate a run; see `ssdgm_tf.runs.trusting`.
LABEL_SOURCES = ("folds", "validation")
#: How probabilities are calibrated: the names of `ssdgm_tf.trust.scaling.METHODS`.
CALIBRATIONS = ("temperature", "vector")
