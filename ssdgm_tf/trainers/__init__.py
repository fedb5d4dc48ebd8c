"""Command lines: a trainer owns one run (data, model, callbacks, report); the training step belongs to the model."""
