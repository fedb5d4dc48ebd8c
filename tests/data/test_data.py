import json
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from ssdgm_tf import data


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to open a connection fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"touched the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class TestLabels:
    y = np.random.default_rng(0).integers(5, size=300)

    def test_draws_as_many_of_every_class(self):
        shown = data.draw_labels(self.y, 20, 5, seed=3)
        assert len(set(shown.tolist())) == 20
        np.testing.assert_array_equal(np.bincount(self.y[shown]), [4] * 5)

    def test_is_a_function_of_the_seed(self):
        first, again, other = (data.draw_labels(self.y, 20, 5, seed=seed).tolist() for seed in (3, 3, 4))
        assert first == again and first != other

    def test_is_reproducible_to_the_index(self):
        """These very indices: a change of the draw would silently change every published split."""
        assert data.draw_labels(np.arange(40) % 4, 8, 4, seed=0).tolist() == EXPECTED_INDICES

    def test_hides_the_rest(self):
        shown = data.draw_labels(self.y, 20, 5, seed=3)
        hidden = data.hide_labels(self.y, shown)
        np.testing.assert_array_equal(np.flatnonzero(hidden >= 0), shown)
        np.testing.assert_array_equal(hidden[shown], self.y[shown])

    @pytest.mark.parametrize("num_labels", [0, 3, 21])
    def test_refuses_what_cannot_be_equal_per_class(self, num_labels):
        with pytest.raises(ValueError, match=f"positive multiple of the 5 classes. Received: num_labels={num_labels}"):
            data.draw_labels(self.y, num_labels, 5, seed=0)

    def test_refuses_more_than_there_are(self):
        with pytest.raises(ValueError, match=r"takes 100 examples of every class. Received: \d+ of class 0"):
            data.draw_labels(self.y, 500, 5, seed=0)


EXPECTED_INDICES = [2, 9, 13, 24, 27, 28, 31, 38]


class TestDigits:
    def test_are_split_and_labelled_by_seed(self, digits):
        assert digits.x_train.shape == (1297, 8, 8, 1) and digits.x_test.shape == (500, 8, 8, 1)
        assert digits.x_train.dtype == np.float32 and digits.x_train.min() == 0 and digits.x_train.max() == 1
        np.testing.assert_array_equal(np.bincount(digits.labelled[1]), [3] * 10)
        other = data.load_digits(num_labels=30, seed=1)
        assert not np.array_equal(other.x_test, digits.x_test)

    def test_no_test_image_is_trained_on(self, digits):
        from sklearn.datasets import load_digits

        whole = np.sort(load_digits().images.reshape(1797, -1) / 16.0, axis=0)
        both = np.concatenate([digits.x_train, digits.x_test]).reshape(1797, -1)
        np.testing.assert_allclose(np.sort(both, axis=0), whole, rtol=1e-6)

    def test_the_curve_is_of_the_test_set(self, digits):
        x, _, name = digits.monitored
        assert name == "test" and x is digits.x_test


class TestTfds:
    def test_mnist_is_read_without_a_network(self, shared_data, no_network):
        mnist = data.load("mnist", 100, seed=0, num_validation=10_000, data_dir=str(shared_data / "tfds"))
        assert mnist.x_train.shape == (50_000, 28, 28, 1) and mnist.x_test.shape == (10_000, 28, 28, 1)
        assert mnist.x_train.min() == 0 and mnist.x_train.max() == 1 and mnist.num_classes == 10
        np.testing.assert_array_equal(np.bincount(mnist.labelled[1]), [10] * 10)
        assert mnist.monitored[2] == "validation" and len(mnist.y_validation) == 10_000
        assert (mnist.y_train == -1).sum() == 49_900

    def test_mnist_is_the_mnist_of_the_idx_files(self, shared_data):
        """The same images with the same labels as LeCun's files, in another order: compared by their sums and labels."""
        import gzip

        mnist = data.load("mnist", 100, seed=0, data_dir=str(shared_data / "tfds"))
        raw = gzip.decompress((shared_data / "idx/mnist/t10k-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = np.frombuffer(
            gzip.decompress((shared_data / "idx/mnist/t10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8
        )
        images = np.frombuffer(raw, np.uint8).reshape(10_000, -1)
        ours = np.rint(mnist.x_test.reshape(10_000, -1) * 255).astype(np.uint8)
        expected = sorted(zip(map(bytes, images), labels.tolist(), strict=True))
        assert sorted(zip(map(bytes, ours), mnist.y_test.tolist(), strict=True)) == expected

    def test_an_unprepared_set_fails_at_once_and_names_folder_and_flag(self, tmp_path, no_network):
        start = time.monotonic()
        for load in (data.load, data.load_tfds):
            with pytest.raises(FileNotFoundError, match=rf"'svhn_cropped'.*{tmp_path}/svhn_cropped.*--download"):
                load("svhn_cropped", 100, seed=0, data_dir=str(tmp_path))
        with pytest.raises(FileNotFoundError):
            data.require("svhn_cropped", str(tmp_path))
        assert time.monotonic() - start < 1

    def test_the_default_folder_is_that_of_tfds(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            data.require("mnist")

    @pytest.mark.parametrize(
        ("features", "splits", "message"),
        [
            ({"image": SimpleNamespace(shape=(8, 8, 1))}, ["train", "test"], "must have the features 'image' and 'label'"),
            ({"image": SimpleNamespace(shape=(8, 8, 1)), "label": None}, ["train"], "and the splits 'train' and 'test'"),
            (
                {"image": SimpleNamespace(shape=(None, None, 3)), "label": None},
                ["train", "test"],
                "Images must all have one size",
            ),
        ],
    )
    def test_a_set_of_another_kind_is_refused(self, features, splits, message, monkeypatch):
        info = SimpleNamespace(features=features, splits=splits)
        monkeypatch.setattr("ssdgm_tf.data.tfds._builder", lambda *_: SimpleNamespace(info=info))
        with pytest.raises(ValueError, match=message):
            data.load_tfds("other", 100, seed=0)

    def test_an_unknown_name_is_refused_even_with_download(self, tmp_path, no_network):
        with pytest.raises(ValueError, match=r"must be 'digits' or a name of TFDS. Received: 'nonsense'"):
            data.load("nonsense", 100, seed=0, data_dir=str(tmp_path), download=True)

    def test_digits_need_no_folder(self):
        assert data.require("digits", data_dir="/nonexistent") is None

    def test_the_newest_prepared_version_is_taken(self, tmp_path):
        from ssdgm_tf.data.tfds import find_prepared

        for version in ("3.0.1", "3.0.10", "2.9.0"):
            (tmp_path / "mnist" / version).mkdir(parents=True)
            (tmp_path / "mnist" / version / "dataset_info.json").write_text(json.dumps({}))
        assert find_prepared("mnist", str(tmp_path)).name == "3.0.10"
        assert find_prepared("mnist:2.9.0", str(tmp_path)).name == "2.9.0"


def test_the_command_fails_within_5_seconds_on_an_unprepared_set(tmp_path):
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "ssdgm_tf.trainers.train", "--config=m2_mnist", "--data_dir=nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path)},
    )
    assert time.monotonic() - start < 5
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "nowhere/mnist" in result.stderr and "--download" in result.stderr
    assert not (tmp_path / "runs").exists()
