"""A command trains on files larger than what it keeps of them."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

_PROGRAM = """
    import sys, threading, time
    import numpy as np
    from ssdgm_tf.configs import m2_digits
    from ssdgm_tf.data import room
    from ssdgm_tf.runs import run

    def anonymous():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024

    def train(data, batch_size, workdir):
        config = m2_digits.get_config().to_dict() | {
            "data": data, "labels": 20, "epochs": 1, "batch_size": int(batch_size), "hidden_units": (8,),
            "num_importance_samples": 1,
        }
        run.train({"config": config, "precision": "float32", "jit_compile": "off"}, workdir)

    room._MOST_IN_MEMORY = 2**20
    small, large, batch_size, folder = sys.argv[1:]
    train(small, batch_size, folder + "/small")
    before, peak = anonymous(), [0]
    done = []
    training = threading.Thread(target=lambda: done.append(train(large, batch_size, folder + "/large")))
    training.start()
    while training.is_alive():
        peak.append(anonymous())
        time.sleep(0.01)
    assert done  # the thread ended without an error
    print("grew by", max(peak) - before)
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
@pytest.mark.parametrize(
    ("write", "number", "side", "batch_size"), [(_npy, 200_000, 32, 500), (_images, 3000, 256, 20)], ids=["npy", "folder"]
)
def test_a_command_keeps_little_of_a_large_file(write, number, side, batch_size, tmp_path):
    """200 MB, of which at most half is ever in the process. What the system keeps of files is not counted."""
    small, large = write(tmp_path / "a", 200, side), write(tmp_path / "b", number, side)
    command = [sys.executable, "-c", textwrap.dedent(_PROGRAM), small, large, str(batch_size), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    grew = float(done.stdout.split("grew by")[1])
    assert grew < 100e6, grew
