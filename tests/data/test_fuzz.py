"""Damaged files and files made to harm; see fuzz.py."""

import gzip
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from ssdgm_tf import data, nodes
from ssdgm_tf.data import npz
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.runs import checkpoints

NUM_MODELS = 60


@pytest.mark.parametrize("num_files", [300, pytest.param(6000, marks=pytest.mark.slow)])
def test_thousands_of_damaged_files_are_read_or_refused_with_a_clear_error(num_files):
    """Under 2 GiB and 5 seconds each, in a process that lives."""
    words = [sys.executable, "-m", "tests.data.fuzz", str(num_files), "0"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["wrong"] == {}
    counts = found["read, refused"].values()
    assert sum(read + refused for read, refused in counts) >= num_files
    assert sum(refused for _, refused in counts) > num_files / 2  # the damage does harm


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    bomb = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**16, 2**16, 2**4)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bomb + bytes(2**20)))
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 0)))
    with pytest.raises(ValueError, match="whose header says"):
        data.load(f"idx:{tmp_path}", 6, 0)
    with zipfile.ZipFile(tmp_path / "f.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (3 * 2**10, 32, 32, 1)}
            )
            file.write(bytes(3 * 2**20))
    monkeypatch.setattr(npz, "LARGE", 2**20)  # as if 3 MiB were 3 GiB, which take long to write
    with pytest.raises(ValueError, match="would unpack to"):
        data.load(f"npz:{tmp_path / 'f.npz'}", 6, 0)


def test_an_image_of_more_pixels_than_any_data_set_has(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("1", (8193, 8192)).save(tmp_path / name / f"{i}.png")
    with pytest.raises(ValueError, match="8192x8193 pixels, over"):
        data.load(f"folder:{tmp_path}", 2, 0)


def test_damaged_models_are_refused(tiny_m2, tmp_path):
    path = tmp_path / "model.keras"
    tiny_m2.save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(NUM_MODELS):
        content = bytearray(whole)
        for at in generator.integers(0, len(content), 3):
            content[at] ^= int(generator.integers(1, 256))
        path.write_bytes(content[: int(generator.integers(1, len(content) + 1))])
        with pytest.raises(UserError, match=r"must be a \.keras file that ssdgm_tf saved\. Received: "):
            checkpoints.load(path)


def change_config(path, change):
    """Writes a model file anew, with `change` of the text that describes the model."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = change(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["../escaped", "assets/../../../escaped", "/{}/escaped"])
def test_a_model_file_writes_nothing_outside_its_folder(tiny_m2, tmp_path, monkeypatch, name):
    """A member whose path leaves the folder that Keras unpacks into, beside an asset that makes it unpack."""
    path, temporary = tmp_path / "model.keras", tmp_path / "one" / "two"
    temporary.mkdir(parents=True)
    tiny_m2.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/asset", "text")
        archive.writestr(name.format(tmp_path), "text")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    try:
        checkpoints.load(path)
    except UserError as error:
        assert "must be a .keras file that ssdgm_tf saved" in str(error)
    assert not [found for found in tmp_path.rglob("*escaped*") if found.is_file()]
    assert {found.name for found in tmp_path.iterdir()} == {"model.keras", "one"}


def test_a_model_whose_variables_are_paths_is_refused(tmp_path):
    """Signatures and the files of LiteRT have the names of variables."""
    model = GraphicalModel(
        {"y": nodes.OneHotCategorical(3), "x": nodes.Normal(4, parents="y")},
        {"y": nodes.OneHotCategorical(3, parents="x")},
        observed="x",
        supervised="y",
    )
    path = tmp_path / "model.keras"
    model.save(path)
    assert checkpoints.load(path).graph.supervised == ("y",)
    change_config(path, lambda text: text.replace('"y"', '"../y"'))
    with pytest.raises(UserError, match="The name of a variable must be a Python identifier"):
        checkpoints.load(path)


def test_a_model_file_runs_no_code(tiny_m2, tmp_path):
    """A Lambda layer, whose code Keras would run from the file, in the place of a network."""
    mark = tmp_path / "mark"
    harm = keras.layers.Lambda(eval(f"lambda x: (open({str(mark)!r}, 'w').write('run'), x)[1]"))
    path = tmp_path / "model.keras"
    tiny_m2.save(path)

    def with_harm(text):
        config = json.loads(text)
        config["config"]["classifier"] = keras.saving.serialize_keras_object(harm)
        return json.dumps(config)

    change_config(path, with_harm)
    with pytest.raises(UserError, match=r"[Ll]ambda"):
        checkpoints.load(path)
    assert not mark.exists()
