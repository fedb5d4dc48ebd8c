"""The memory of a run does not grow with the files that it trains on."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

_PROGRAM = """
    import sys
    from ssdgm_tf.configs import m2_digits
    from ssdgm_tf.data import room
    from ssdgm_tf.runs import run
    from tests.memory import peak
    from ssdgm_tf.configs.common import PLAIN

    def train(data, epochs, workdir):
        config = m2_digits.get_config().to_dict() | PLAIN | {
            "data": data, "labels": 20, "epochs": epochs, "batch_size": 50, "hidden_units": (8,),
            "num_importance_samples": 1,
        }
        run.train({"config": config, "precision": "float32", "jit_compile": "off"}, workdir)

    room._MOST_IN_MEMORY = 2**20
    small, large, folder = sys.argv[1:]
    of_small = [peak(train, small, 10, folder + name) for name in ("/first", "/second")]  # the first one loads modules, too
    print("grew by", peak(train, large, 1, folder + "/large") - max(of_small))
"""


def _npy(folder, number, side):
    folder.mkdir()
    y = np.where(np.arange(number) < 100, np.arange(number) % 10, -1)
    np.save(folder / "x.npy", np.random.default_rng(0).integers(256, size=(number, side, side), dtype=np.uint8))
    np.save(folder / "y.npy", y)
    return f"npy:{folder}/x.npy,{folder}/y.npy"


def _images(folder, number, side):
    generator = np.random.default_rng(0)
    for index in range(number):
        parent = folder / (str(index % 10) if index < 100 else "unlabelled")
        parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(256, size=(side, side), dtype=np.uint8)).save(parent / f"{index}.bmp")
    return f"folder:{folder}"


@pytest.mark.slow
@pytest.mark.parametrize("write", [_npy, _images], ids=["npy", "folder"])
def test_a_command_keeps_little_of_a_large_file(write, tmp_path):
    """200 MB take less than 100 MB more than as many steps over 20 MB do."""
    number, side = 50_000, 64
    small, large = write(tmp_path / "a", number // 10, side), write(tmp_path / "b", number, side)
    command = [sys.executable, "-c", textwrap.dedent(_PROGRAM), small, large, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    grew = float(done.stdout.split("grew by")[1])
    assert grew < number * side**2 / 2, grew
