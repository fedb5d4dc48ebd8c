"""What the commands run: a run from config to report, its folder, its checkpoints, its exports and predictions."""
