import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.data.splits import hold_out
from ssdgm_tf.schema import Column, Schema


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

    @pytest.mark.parametrize("num_labels", [100, 600, 3000])
    def test_large_draws_are_reproducible_to_the_index(self, num_labels):
        y = np.random.default_rng(1).integers(10, size=60_000)
        shown = data.draw_labels(y, num_labels, 10, seed=5)
        assert hashlib.sha256(shown.astype("<i8").tobytes()).hexdigest() == EXPECTED_DIGESTS[num_labels]

    def test_the_draw_of_the_digits_is_that_of_the_published_results(self, digits):
        assert np.flatnonzero(digits.y_train >= 0).tolist() == EXPECTED_DIGITS

    def test_the_remainder_goes_one_each_to_classes_drawn_by_the_seed(self):
        favoured = set()
        for seed in range(20):
            shown = data.draw_labels(self.y, 22, 5, seed)
            counts = np.bincount(self.y[shown])
            assert sorted(counts) == [4, 4, 4, 5, 5] and len(set(shown)) == 22
            favoured.add(tuple(np.flatnonzero(counts == 5)))
        assert len(favoured) > 5  # of 10 pairs, in 20 draws
        assert data.draw_labels(self.y, 22, 5, 3).tolist() == data.draw_labels(self.y, 22, 5, 3).tolist()

    def test_zero_shows_every_label_that_is_known(self):
        y = np.where(np.arange(300) % 7, self.y, -1)
        np.testing.assert_array_equal(data.hide_labels(y, data.draw_labels(y, 0, 5, seed=0)), y)

    def test_never_draws_an_unknown_label(self):
        y = np.where(np.arange(300) % 3, -1, self.y)
        shown = data.draw_labels(y, 52, 5, seed=1)
        assert set(shown % 3) == {0} and sorted(np.bincount(y[shown])) == [10, 10, 10, 11, 11]

    @pytest.mark.parametrize("num_labels", [-5, 1, 4])
    def test_refuses_fewer_labels_than_classes(self, num_labels):
        with pytest.raises(
            ValueError, match=f"each of the 5 classes, or 0 for every label. Received: num_labels={num_labels}"
        ):
            data.draw_labels(self.y, num_labels, 5, seed=0)

    def test_refuses_more_than_there_are(self):
        with pytest.raises(ValueError, match=r"takes 100 labelled examples of class 0. Received: \d+ "):
            data.draw_labels(self.y, 500, 5, seed=0)


EXPECTED_INDICES = [2, 9, 13, 24, 27, 28, 31, 38]
EXPECTED_DIGESTS = {
    100: "fc93a49d9d919141f4ca6b4795f77459f258f36394f97c66cf3b7b8e4c9e30bb",
    600: "b6372b9dc128a7176a82f65f5eaaa28a6cf95e4b2030175a328953ce5115a0b2",
    3000: "80d4c00db69230868ba56d5175d4068b11e95549d1dfe2710f24e69d23dbb356",
}
EXPECTED_DIGITS = [14, 22, 33, 59, 66, 96, 126, 131, 223, 349, 360, 482, 631, 669, 691, 701, 722, 726, 827, 831]
EXPECTED_DIGITS += [833, 836, 857, 864, 965, 1032, 1038, 1040, 1140, 1196]


class TestValidation:
    y = np.array([0, 1, -1, 2, -1, 0, 1, -1])

    def test_takes_the_last_labelled_examples(self):
        kept, held_out = hold_out(self.y, 2)
        assert kept.tolist() == [0, 1, 2, 3, 4, 7] and held_out.tolist() == [5, 6]

    def test_none_is_none(self):
        kept, held_out = hold_out(self.y, 0)
        assert kept.tolist() == list(range(8)) and held_out.tolist() == []

    @pytest.mark.parametrize("number", [-1, 5])
    def test_leaves_a_labelled_example(self, number):
        with pytest.raises(ValueError, match=rf"must lie in 0..4: .* Received: num_validation={number}"):
            hold_out(self.y, number)


class TestDigits:
    def test_are_split_and_labelled_by_seed(self, digits):
        assert digits.x_train.shape == (1297, 8, 8, 1) and digits.x_test.shape == (500, 8, 8, 1)
        assert digits.x_train.dtype == np.float32 and digits.x_train.min() == 0 and digits.x_train.max() == 1
        np.testing.assert_array_equal(np.bincount(digits.labelled[1]), [3] * 10)
        assert digits.raw_dtype == "float32"  # sixteenths
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


def pairs(dataset, split):
    """The images of a split as bytes, each with its label."""
    images = np.rint(getattr(dataset, f"x_{split}") * 255).astype(np.uint8)
    return zip(map(bytes, images), getattr(dataset, f"y_{split}").tolist(), strict=True)


class TestTfds:
    @pytest.mark.slow
    def test_mnist_is_read_without_a_network_and_is_that_of_the_idx_files(self, shared_data, no_network):
        """The same images with the same labels as in the files of its makers, in another order."""
        mnist = data.load("mnist", 0, seed=0, num_validation=10_000, data_dir=str(shared_data / "tfds"))
        assert mnist.x_train.shape == (50_000, 28, 28, 1) and mnist.x_test.shape == (10_000, 28, 28, 1)
        assert mnist.x_train.min() == 0 and mnist.x_train.max() == 1 and mnist.num_classes == 10
        assert mnist.monitored[2] == "validation" and len(mnist.y_validation) == 10_000
        assert mnist.class_names == tuple("0123456789")
        if not (shared_data / "idx" / "mnist").is_dir():
            pytest.skip(f"needs idx/mnist; none in {shared_data}")
        original = data.load("idx:idx/mnist", 0, seed=0, num_validation=10_000, data_dir=str(shared_data))
        assert original.y_train[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
        for splits in (("train", "validation"), ("test",)):
            ours, theirs = (sorted(pair for split in splits for pair in pairs(d, split)) for d in (mnist, original))
            assert len(ours) in (60_000, 10_000) and ours == theirs

    def test_an_unprepared_set_fails_at_once_and_names_folder_and_flag(self, tmp_path, no_network):
        for load in (data.load, data.load_tfds):
            with pytest.raises(FileNotFoundError, match=rf"'svhn_cropped'.*{tmp_path}/svhn_cropped. --download .*data_dir"):
                load("svhn_cropped", 100, seed=0, data_dir=str(tmp_path))
        with pytest.raises(FileNotFoundError):
            data.require("svhn_cropped", str(tmp_path))

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
        with pytest.raises(ValueError, match=r"must be 'digits', 'npz:FILE'.*'folder:FOLDER'.*Received: 'nonsense'"):
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


def test_the_command_fails_at_once_on_an_unprepared_set(tmp_path):
    """Before TensorFlow is imported: nothing else takes long."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ssdgm_tf.trainers.train", "--config=m2_mnist", "--data_dir=nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path)},
    )
    assert not re.search(r"^import time:.*\btensorflow$", result.stderr, re.MULTILINE)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "nowhere/mnist" in result.stderr and "--download" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_labelled_examples_are_there_twice_where_that_is_asked_for(digits):
    twice, (x, y) = digits.with_labelled_twice(), digits.labelled
    np.testing.assert_array_equal(twice.x_train, np.concatenate([digits.x_train, x]))
    np.testing.assert_array_equal(twice.y_train, np.concatenate([digits.y_train, np.full(len(y), -1)]))
    assert twice.y_train.dtype == digits.y_train.dtype


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.at(np.array([7, 3, 3])),
        lambda made: made.at(np.arange(len(made.x_train)) % 5 == 0),
        lambda made: made.with_labelled_twice(),
        lambda made: made.with_labelled_only(),
        lambda made: made.with_labels({"y": {5: 2}}, left_out=[0, 8]),
        lambda made: made.without_validation(),
    ],
    ids=["at", "mask", "twice", "only", "left out", "without validation"],
)
def test_names_of_examples_go_with_them(change, digits):
    names = [row.tobytes().hex() for row in np.asarray(digits.x_train)]
    made = change(digits._replace(ids=tuple(names)))
    assert list(made.ids) == [row.tobytes().hex() for row in np.asarray(made.x_train)]
    assert change(digits).ids == ()


class TestGivenLabels:
    """Labels that people gave to training examples."""

    def of_numbers(self, digits):
        return digits._replace(y_train={"y": digits.y_train, "size": np.full((len(digits.y_train), 1), np.nan, np.float32)})

    def test_they_take_the_place_of_others_and_change_nothing_else(self, digits):
        shown = int(np.flatnonzero(digits.y_train >= 0)[0])
        hidden = int(np.flatnonzero(digits.y_train < 0)[0])
        found = digits.with_labels({"y": {shown: 9, hidden: 4}})
        assert found.y_train[[shown, hidden]].tolist() == [9, 4]
        others = np.delete(np.arange(len(digits.y_train)), [shown, hidden])
        np.testing.assert_array_equal(found.y_train[others], digits.y_train[others])
        assert digits.y_train[hidden] == -1
        assert found.num_classes == 10

    def test_examples_of_none_of_the_classes_are_left_out(self, digits):
        found = digits.with_labels({}, left_out=[3, 5])
        np.testing.assert_array_equal(found.x_train, np.delete(np.asarray(digits.x_train), [3, 5], axis=0))
        assert len(found.y_train) == len(digits.y_train) - 2

    def test_new_classes_get_the_next_numbers(self, digits):
        found = digits.with_labels({"y": {0: 11}}, new_classes=["a", "b"])
        assert (found.num_classes, found.class_names) == (12, (*map(str, range(10)), "a", "b"))
        assert found.y_train[0] == 11

    def test_of_several_variables_by_their_names(self, digits):
        found = self.of_numbers(digits).with_labels({"size": {2: 1.5}, "y": {2: 3}})
        assert found.y_train["size"][2] == 1.5
        assert found.y_train["y"][2] == 3

    @pytest.mark.parametrize(
        ("values", "new", "message"),
        [
            ({"y": {0: 10}}, (), r"classes 0..9. Received: 10 of 0"),
            ({"y": {0: -1}}, (), r"Received: -1 of 0"),
            ({"y": {0: 1.5}}, (), r"Received: 1.5 of 0"),
            ({"y": {1297: 1}}, (), r"of the 1297 training examples.*Received: 1 of 1297"),
            ({"y": {-1: 1}}, (), r"Received: 1 of -1"),
            ({"y": {0: 11}}, ("a",), r"classes 0..10. Received: 11 of 0"),
        ],
    )
    def test_refuses_other_examples_and_classes(self, values, new, message, digits):
        with pytest.raises(ValueError, match=message):
            digits.with_labels(values, new_classes=new)

    def test_refuses_unknown_variables_and_new_classes_among_several(self, digits):
        with pytest.raises(ValueError, match=r"The variables with labels are y, size. Received: age"):
            self.of_numbers(digits).with_labels({"age": {0: 1}})
        with pytest.raises(ValueError, match=r"New classes are for images, .* with one class. Received: classes new"):
            self.of_numbers(digits).with_labels({}, new_classes=["new"])
        schema = Schema((Column("a", "numeric"),))
        with pytest.raises(ValueError, match=r"New classes are .* Received: classes new for rows"):
            digits._replace(schema=schema).with_labels({}, new_classes=["new"])
        with pytest.raises(ValueError, match=r"of the 1297 training examples. Received: one of 1297"):
            digits.with_labels({}, left_out=[1297])
        with pytest.raises(ValueError, match=r"The variables with labels are y. Received: z"):
            digits.with_labels({"z": {0: 1}})
