"""The commands. The training step belongs to the model."""
