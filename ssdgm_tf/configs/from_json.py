"""The config of a finished run: `--config=RUN/config.json` stands for `from_json.py:RUN/config.json`."""

import json
from pathlib import Path

from ml_collections import ConfigDict

from ssdgm_tf.configs.common import model_config


def get_config(path: str) -> ConfigDict:
    """The fields that a run was trained with. Its precision and jit_compile are flags, not fields.

    Args:
        path: config.json of the run.
    """
    fields = json.loads(Path(path).read_text())["config"]
    common = set(model_config())
    own = {name: value for name, value in fields.items() if name not in common}
    return model_config(own, **{name: value for name, value in fields.items() if name in common})
