"""Fields of `m2_digits` without its terms and first steps, for tests of something else."""

PLAIN = {"consistency": "", "labels_first_steps": 0, "labels_spread": False}
