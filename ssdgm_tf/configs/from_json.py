"""The config of a finished run: `--config=RUN/config.json` stands for `from_json.py:RUN/config.json`."""

import json
from pathlib import Path

from ssdgm_tf.configs.common import model_config


def get_config(path: str):
    """The fields that the run at `path` was trained with (its precision and jit_compile are flags, not fields)."""
    return model_config(**json.loads(Path(path).read_text())["config"])
