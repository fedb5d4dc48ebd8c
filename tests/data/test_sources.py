import numpy as np
import pytest
from PIL import Image

from ssdgm_tf import data
from ssdgm_tf.data import sources
from ssdgm_tf.data.sources import _source


@pytest.fixture
def npz(tmp_path):
    """60 random images of 3 classes in tmp_path/set.npz, all labelled, and 15 to test on."""
    generator = np.random.default_rng(0)
    x = generator.integers(256, size=(75, 4, 3), dtype=np.uint8)
    y = np.arange(75) % 3
    np.savez(tmp_path / "set.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    return x, y


@pytest.mark.parametrize("name", ["", "npz:", "nzp:set.npz", "set.npz", "/data/set", "mnist:latest", "folder", "a b"])
def test_an_unknown_form_lists_the_known_ones(name):
    for function in (data.require, lambda name: data.load(name, 30, 0)):
        with pytest.raises(ValueError, match=rf"'digits', 'npz:FILE', .*'svhn_cropped'. Received: {name!r}"):
            function(name)


@pytest.mark.parametrize("name", ["mnist", "mnist:3.0.1", "cifar10_corrupted/fog_1", "cifar10_corrupted/fog_1:1.*.*"])
def test_names_of_tfds(name, tmp_path):
    assert _source(name) == ("tfds", "")
    with pytest.raises(FileNotFoundError, match="must be prepared"):
        data.require(name, str(tmp_path))
    assert data.require(name, str(tmp_path), download=True) is None


@pytest.mark.parametrize(
    "name",
    [
        *("npz:a.npz", "npz:set.npz,b.npz", "npy:set.npz,b.npy", "mat:a.mat", "csv:a.csv", "csv:set.npz,a.csv"),
        *("idx:nowhere", "idx:.", "folder:nowhere", "folder:.", "records:nowhere", "records:."),
    ],
)
def test_missing_files_fail_at_once(name, npz, tmp_path):
    for function in (data.require, lambda name, data_dir: data.load(name, 30, 0, data_dir=data_dir)):
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            function(name, str(tmp_path))


def test_require_does_not_read(tmp_path):
    (tmp_path / "set.npz").write_bytes(b"nonsense")
    assert data.require("npz:set.npz", str(tmp_path)) is None
    with pytest.raises(ValueError, match=r"must come from numpy.savez"):
        data.load("npz:set.npz", 0, 0, data_dir=str(tmp_path))


def test_relative_paths_start_at_the_data_folder_or_here(npz, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, folder in (
        ("npz:set.npz", ".."),
        ("npz:../set.npz", None),
        ("npz:~/set.npz", "/nonexistent"),
        ("npz:set.npz", "~"),
    ):
        assert len(data.load(name, 3, 0, data_dir=folder).y_train) == 60


def test_an_uneven_split_is_printed(npz, tmp_path, capsys):
    dataset = data.load("npz:set.npz", 10, 0, data_dir=str(tmp_path))
    counts = np.bincount(dataset.labelled[1])
    assert sorted(counts) == [3, 3, 4]
    assert capsys.readouterr().out == f"labels per class: {counts[0]} {counts[1]} {counts[2]}\n"


@pytest.mark.parametrize("num_labels", [0, 9])
def test_an_even_split_is_not(num_labels, npz, tmp_path, capsys):
    data.load("npz:set.npz", num_labels, 0, data_dir=str(tmp_path))
    assert capsys.readouterr().out == ""


def test_all_digits_can_be_labelled():
    digits = data.load("digits", 0, seed=0)
    assert (digits.y_train >= 0).all() and digits.class_names == () and digits.preprocessing is None
    assert digits.to_images(digits.x_test) is digits.x_test


def test_the_digits_have_no_validation_set():
    with pytest.raises(ValueError, match=r"no validation set. Received: num_validation=10"):
        data.load("digits", 30, seed=0, num_validation=10)


def test_preprocessing_is_fitted_on_what_is_trained_on(npz, tmp_path):
    images, labels = npz
    dataset = data.load("npz:set.npz", 9, 0, num_validation=20, data_dir=str(tmp_path), preprocessing="pca:5")
    assert dataset.x_train.shape == (40, 5) and dataset.x_validation.shape == (20, 5) and dataset.x_test.shape == (15, 5)
    fitted = data.fit_preprocessing("pca:5", (images[:40, ..., None] / 255).astype(np.float32))
    np.testing.assert_allclose(dataset.x_test, fitted.transform(images[60:, ..., None] / 255), atol=1e-5)
    np.testing.assert_array_equal(dataset.y_validation, labels[40:60])


def test_whitened_images_come_back_for_figures(npz, tmp_path):
    raw = data.load("npz:set.npz", 9, 0, data_dir=str(tmp_path))
    dataset = data.load("npz:set.npz", 9, 0, data_dir=str(tmp_path), preprocessing="zca")
    assert dataset.x_train.shape == raw.x_train.shape and not np.allclose(dataset.x_train, raw.x_train, atol=0.1)
    np.testing.assert_allclose(dataset.to_images(dataset.x_test), raw.x_test, atol=1e-5)
    grid = np.stack([dataset.x_test, 100 * dataset.x_test], axis=1)  # as a model's analogies: [N, 2, H, W, C], far outside
    images = dataset.to_images(grid)
    assert images.shape == (15, 2, 4, 3, 1) and images.min() == 0 and images.max() == 1
    np.testing.assert_allclose(images[:, 0], raw.x_test, atol=1e-5)


@pytest.mark.parametrize(
    ("constant", "words"), [(0, "4 columns"), (1, "4 columns, 1 of them constant"), (2, "4 columns, 2 of them constant")]
)
def test_standardised_vectors_are_counted(constant, words, tmp_path, capsys):
    generator = np.random.default_rng(0)
    x = generator.normal(7, 3, size=(75, 4))
    x[:60, :constant] = 7.3
    y = np.arange(75) % 3
    np.savez(tmp_path / "set.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    dataset = data.load("npz:set.npz", 9, 0, num_validation=20, data_dir=str(tmp_path), preprocessing="auto")
    assert capsys.readouterr().out == f"Vectors standardised: {words}\n"
    fitted = data.fit_preprocessing("standardize", x[:40].astype(np.float32))
    for part, rows in ((dataset.x_train, x[:40]), (dataset.x_validation, x[40:60]), (dataset.x_test, x[60:])):
        np.testing.assert_array_equal(part, fitted.transform(rows))
    np.testing.assert_allclose(dataset.to_images(dataset.x_test), x[60:], rtol=1e-5)
    assert dataset.raw_shape == (4,)


def test_auto_leaves_images_as_they_are(npz, tmp_path, capsys):
    raw, dataset = (data.load("npz:set.npz", 9, 0, 0, str(tmp_path), preprocessing=spec) for spec in ("none", "auto"))
    assert dataset.preprocessing is None and capsys.readouterr().out == ""
    np.testing.assert_array_equal(dataset.x_train, raw.x_train)


def test_a_bad_preprocessing_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="preprocessing must be"):
        data.load("npz:nowhere.npz", 30, 0, data_dir=str(tmp_path), preprocessing="whiten")


@pytest.mark.parametrize("name", ["digits", "npz:set.npz", "idx:set", "faces:set.npz", "mnist", "canvases:digits"])
def test_only_images_in_folders_are_resized(name, tmp_path):
    for function in (data.require, lambda name, **fields: data.load(name, 30, 0, **fields)):
        with pytest.raises(ValueError, match=r"of folder:FOLDER. Received: config.resize='8x8' for config.data='"):
            function(name, data_dir=str(tmp_path), resize="8x8")
        with pytest.raises(ValueError, match=r"HEIGHTxWIDTH .*Received: config.resize='8'"):
            function(name, data_dir=str(tmp_path), resize="8")


@pytest.fixture
def photographs(tmp_path):
    """A folder of two classes, where one image is broken and one is larger."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("L", (20 + (i == 2), 20), 50 + i).save(tmp_path / name / f"{i}.png")
    (tmp_path / "a" / "4.png").write_bytes(b"no image")
    return tmp_path


def test_the_images_of_canvases_are_read_as_others(photographs, monkeypatch):
    monkeypatch.setattr(sources, "_NUM_CANVASES", (40, 10))
    name = f"canvases:folder:{photographs}"
    with pytest.raises(ValueError, match=r"Received: .*4.png"):
        data.load(name, 8, 0, resize="10x12")
    assert data.load(name, 8, 0, bad_examples="drop", resize="10x12").digit_shape == (10, 12, 1)
    assert data.load(name, 8, 0, bad_examples="drop").digit_shape == (20, 20, 1)
