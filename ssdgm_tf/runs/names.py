"""Names that the flags of the commands offer. Imports no TensorFlow."""

#: The devices that `--strategy` chooses.
STRATEGIES = ("none", "mirrored", "multi_worker")
