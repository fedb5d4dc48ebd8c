import io
import zipfile

import numpy as np
import pytest

from ssdgm_tf import data

LABELS = np.arange(30) % 3


def arrays(**replaced):
    """A whole set: 30 images to train on, 6 to test on, 3 classes."""
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(256, size=(30, 4, 3), dtype=np.uint8),
        "y_train": LABELS,
        "x_test": generator.integers(256, size=(6, 4, 3), dtype=np.uint8),
        "y_test": LABELS[:6],
    } | replaced


@pytest.fixture
def load(tmp_path):
    """Saves arrays in one file and loads it with every label shown."""

    def save_and_load(num_labels=0, num_validation=0, **replaced):
        np.savez(tmp_path / "set.npz", **{k: v for k, v in arrays(**replaced).items() if v is not None})
        return data.load_npz(str(tmp_path / "set.npz"), num_labels, 0, num_validation)

    return save_and_load


def test_bytes_become_images_in_the_unit_interval(load):
    dataset = load(filename=np.array(["a", "b"]))  # other arrays are not looked at
    np.testing.assert_allclose(dataset.x_train[..., 0], arrays()["x_train"] / 255, atol=1e-7)
    np.testing.assert_allclose(dataset.x_test[..., 0], arrays()["x_test"] / 255, atol=1e-7)
    np.testing.assert_array_equal(dataset.y_train, LABELS)
    np.testing.assert_array_equal(dataset.y_test, LABELS[:6])
    assert dataset.x_train.dtype == np.float32 and dataset.y_train.dtype == dataset.y_test.dtype == np.int32
    assert dataset.num_classes == 3 and dataset.class_names == () and len(dataset.x_validation) == 0


def test_two_files(tmp_path):
    whole = arrays()
    np.savez(tmp_path / "train.npz", x=whole["x_train"], y=whole["y_train"])
    np.savez_compressed(tmp_path / "test.npz", x=whole["x_test"], y=whole["y_test"])
    dataset = data.load_npz("train.npz,test.npz", 6, seed=0, data_dir=str(tmp_path))
    np.testing.assert_allclose(dataset.x_train[..., 0], whole["x_train"] / 255, atol=1e-7)
    np.testing.assert_allclose(dataset.x_test[..., 0], whole["x_test"] / 255, atol=1e-7)
    np.testing.assert_array_equal(dataset.y_test, whole["y_test"])
    np.testing.assert_array_equal(np.bincount(dataset.labelled[1]), [2, 2, 2])


def medmnist(**replaced):
    """The arrays of `arrays` as MedMNIST names them: labels are a column of bytes, the last 9 images for validation."""
    whole = arrays()
    column = {name: whole[f"y_{name}"][:, None].astype(np.uint8) for name in ("train", "test")}
    parts = {"train_images": whole["x_train"][:21], "train_labels": column["train"][:21]}
    parts |= {"val_images": whole["x_train"][21:], "val_labels": column["train"][21:]}
    return parts | {"test_images": whole["x_test"], "test_labels": column["test"]} | replaced


@pytest.mark.parametrize("num_validation", [0, 9])
def test_a_file_of_medmnist(tmp_path, num_validation):
    np.savez(tmp_path / "set.npz", **medmnist())
    dataset, whole = data.load_npz(str(tmp_path / "set.npz"), 0, 0, num_validation), arrays()
    number = 30 - num_validation
    np.testing.assert_allclose(np.asarray(dataset.x_train)[..., 0], whole["x_train"][:number] / 255, atol=1e-7)
    np.testing.assert_array_equal(dataset.y_train, LABELS[:number])
    np.testing.assert_array_equal(dataset.y_validation, LABELS[number:])
    np.testing.assert_array_equal(dataset.y_test, whole["y_test"])


def test_parts_of_medmnist_must_be_alike(tmp_path):
    np.savez(tmp_path / "set.npz", **medmnist(val_images=np.zeros((9, 3, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"one shape .*\[21, 4, 3\] of uint8, \[9, 3, 3\] of uint8"):
        data.load_npz(str(tmp_path / "set.npz"), 0, 0)
    np.savez(tmp_path / "set.npz", **{name: value for name, value in medmnist().items() if name != "val_labels"})
    with pytest.raises(ValueError, match="must hold the arrays train_images, train_labels, val_images, val_labels"):
        data.load_npz(str(tmp_path / "set.npz"), 0, 0)


def test_floats_are_taken_as_they_are(load):
    x = np.random.default_rng(1).uniform(size=(30, 4, 3, 2))
    dataset = load(x_train=x, x_test=x[:6].astype(np.float16))
    np.testing.assert_allclose(dataset.x_train, x, atol=1e-7)
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.float32 and dataset.x_test.shape == (6, 4, 3, 2)


@pytest.mark.parametrize("kind", [bool, np.int64])
def test_binary_images_of_any_kind(kind, load):
    x = np.random.default_rng(1).uniform(size=(30, 4, 3)) < 0.5
    dataset = load(x_train=x.astype(kind), x_test=x[:6].astype(kind))
    np.testing.assert_array_equal(dataset.x_train[..., 0], x)


def test_vectors_of_any_range(load):
    x = np.random.default_rng(1).normal(scale=100, size=(30, 7))
    dataset = load(x_train=x, x_test=x[:6])
    np.testing.assert_allclose(dataset.x_train, x, rtol=1e-6)
    assert dataset.x_train.dtype == np.float32


def test_unknown_labels_stay_unknown(load):
    y = np.where(np.arange(30) < 21, LABELS, -1)
    np.testing.assert_array_equal(load(y_train=y).y_train, y)
    dataset = load(num_labels=6, y_train=y)
    shown = np.flatnonzero(dataset.y_train >= 0)
    assert shown.max() < 21 and np.bincount(dataset.y_train[shown]).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match=r"takes 8 labelled examples of class 0. Received: 7"):
        load(num_labels=24, y_train=y)


def test_validation_is_the_last_labelled_examples(load):
    y = np.where(np.arange(30) < 27, LABELS, -1)
    dataset = load(num_validation=5, y_train=y.astype(float))
    np.testing.assert_allclose(dataset.x_validation[..., 0], arrays()["x_train"][22:27] / 255, atol=1e-7)
    np.testing.assert_array_equal(dataset.y_validation, LABELS[22:27])
    np.testing.assert_array_equal(dataset.y_train, np.r_[LABELS[:22], [-1, -1, -1]])
    np.testing.assert_allclose(dataset.x_train[-3:, ..., 0], arrays()["x_train"][27:] / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            {"y_test": None},
            r"must hold the arrays x_train, y_train, x_test, y_test. Received: .* with x_test, x_train, y_train",
        ),
        (
            {"x_train": np.full((30, 4, 3), 1.5)},
            r"uint8 or lie in \[0, 1\]. Received: x_train\[0\] .* from 1.5 to 1.5",
        ),
        (
            {"x_test": np.full((6, 4, 3), -0.5)},
            r"uint8 or lie in \[0, 1\]. Received: x_test\[0\] with values from -0.5",
        ),
        ({"x_train": np.full((30, 4, 3), 255)}, r"must be uint8 or lie in \[0, 1\]. Received: x_train\[0\] .* from 255"),
        ({"x_train": np.full((30, 4, 3), np.nan)}, "x_train must be finite in float32"),
        ({"x_train": np.zeros((30, 9), np.uint8)}, r"vectors .* other than uint8. Received: x_train \[30, 9\] of uint8"),
        ({"x_train": np.zeros((30, 2, 2, 2, 2))}, r"Received: x_train \[30, 2, 2, 2, 2\]"),
        ({"x_test": np.zeros((0, 4, 3))}, r"x_test must hold at least one example.* Received: x_test of shape \(0, 4, 3\)"),
        ({"x_test": np.zeros((6, 4, 4))}, r"the same shape. Received: x_train \[30, 4, 3, 1\], x_test \[6, 4, 4, 1\]"),
        ({"y_train": LABELS[:29]}, r"y_train must hold one label per example, shape \(30,\)"),
        ({"y_test": LABELS}, r"y_test must hold one label per example, shape \(6,\)"),
        ({"y_train": LABELS + 0.5}, "Labels must be integers. Received: y_train .* with 0.5 at index 0"),
        ({"y_train": np.where(LABELS, LABELS, -2)}, r"Labels of y_train must lie in .* Received: \[-2\]"),
        ({"y_train": np.where(LABELS, LABELS, 10**9)}, "Every class .* with a label 1000000000 and none of class 0"),
        ({"y_train": LABELS + 1}, "Every class .* with a label 3 and none of class 0"),
        ({"y_train": np.full(30, -1)}, "needs some labels. Received: y_train with -1 only"),
        ({"y_test": np.full(6, 3)}, r"among the training classes 0..2. Received: y_test with 3"),
        ({"y_test": np.full(6, -1)}, r"must all be known .* Received: y_test with -1"),
        ({"x_train": np.array([{}] * 30, dtype=object)}, "not of objects. Received: .*set.npz"),
    ],
)
def test_what_is_refused(replaced, message, load):
    """tests/test_checks.py has the inputs that baselines and models refuse too."""
    with pytest.raises(ValueError, match=message):
        load(**replaced)


def test_of_two_files_the_message_names_the_one(tmp_path):
    whole = arrays()
    np.savez(tmp_path / "a.npz", x=whole["x_train"], y=whole["y_train"])
    np.savez(tmp_path / "b.npz", x=whole["x_test"], y=whole["y_test"] - 2)
    with pytest.raises(ValueError, match=r"Labels of y of b.npz must lie in .* Received: \[-2\]"):
        data.load_npz(f"{tmp_path}/a.npz,{tmp_path}/b.npz", 0, 0)
    with pytest.raises(ValueError, match=r"a.npz must hold the arrays x_train, .* with x, y"):
        data.load_npz(f"{tmp_path}/a.npz", 0, 0)


@pytest.mark.parametrize("path", ["a.npz,b.npz,c.npz", "a.npz,", ",a.npz", ""])
def test_one_file_or_two(path):
    with pytest.raises(ValueError, match=f"one file, or two separated by a comma. Received: 'npz:{path}'"):
        data.load_npz(path, 0, 0)


def test_damaged_files_are_refused(tmp_path):
    np.savez(tmp_path / "whole.npz", **arrays())
    whole = (tmp_path / "whole.npz").read_bytes()
    other_crc = whole.replace(arrays()["x_train"].tobytes()[:50], bytes(50))
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w") as archive:  # a header that promises more than there is
        for name, array in arrays().items():
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(f"{name}.npy", entry.getvalue()[:-5])
    contents = [b"", b"nonsense", whole[: len(whole) // 2], other_crc, single.getvalue(), lying.getvalue()]
    for content in contents:
        (tmp_path / "damaged.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"must come from numpy.savez .* Received: .*damaged.npz"):
            data.load_npz(str(tmp_path / "damaged.npz"), 0, 0)


class TestShared:
    def test_small_norb(self, shared_data):
        if not (shared_data / "small_norb").is_dir():
            pytest.skip(f"needs small_norb; none in {shared_data}")
        folder = shared_data / "small_norb"
        name = "npz:small_norb_32x32x2_train.npz,small_norb_32x32x2_test.npz"
        norb = data.load(name, 1000, seed=0, data_dir=str(folder))
        assert norb.x_train.shape == norb.x_test.shape == (24_300, 32, 32, 2) and norb.num_classes == 5
        np.testing.assert_array_equal(np.bincount(norb.labelled[1]), [200] * 5)
        np.testing.assert_array_equal(np.bincount(norb.y_test), [4860] * 5)
        with np.load(folder / "small_norb_32x32x2_test.npz") as stored:
            np.testing.assert_allclose(norb.x_test[::500], stored["x"][::500] / 255, atol=1e-7)
            np.testing.assert_array_equal(norb.y_test, stored["y"])

    def test_svhn_recrop(self, shared_data):
        if not (shared_data / "svhn_recrop").is_dir():
            pytest.skip(f"needs svhn_recrop; none in {shared_data}")
        svhn = data.load("npz:svhn_recrop/svhn_recrop.npz", 1000, seed=0, num_validation=434, data_dir=str(shared_data))
        assert svhn.x_train.shape == (4000, 32, 32, 3) and svhn.x_test.shape == (1952, 32, 32, 3)
        with np.load(shared_data / "svhn_recrop" / "svhn_recrop.npz") as stored:
            np.testing.assert_allclose(svhn.x_validation, stored["x_train"][4000:] / 255, atol=1e-7)
            np.testing.assert_array_equal(svhn.y_validation, stored["y_train"][4000:])
            np.testing.assert_array_equal(svhn.y_test, stored["y_test"])
        np.testing.assert_array_equal(np.bincount(svhn.labelled[1]), [100] * 10)


def test_bad_examples_stop_with_their_index_or_are_dropped_and_counted(load, tmp_path, capsys):
    x = np.random.default_rng(1).uniform(size=(30, 4, 3))
    x[7, 1, 1], x[20, 0, 0], x[21, 0, 0] = np.nan, 1.5, np.inf
    with pytest.raises(ValueError, match=r"x_train must be finite in float32\. Received: NaN or .* first at \(7, 1, 1\)"):
        load(x_train=x, x_test=x[:6])
    file = str(tmp_path / "set.npz")
    dataset = data.load_npz(file, 0, 0, bad_examples="drop")
    kept = np.delete(np.arange(30), [7, 20, 21])
    np.testing.assert_allclose(dataset.x_train[..., 0], x[kept], atol=1e-7)
    np.testing.assert_array_equal(dataset.y_train, LABELS[kept])
    assert capsys.readouterr().out == "Bad examples dropped: 3 of 30 in x_train, at 7, 20, 21\n"
    vectors = x.reshape(30, -1)
    with pytest.raises(ValueError, match=r"x_train must be finite in float32\. Received: NaN or .* first at \(7, 4\)"):
        load(x_train=vectors, x_test=vectors[:6])
    assert len(data.load_npz(file, 0, 0, bad_examples="drop").x_train) == 28  # 1.5 is allowed in a vector
    with pytest.raises(ValueError, match=r"bad_examples must be one of .* Received: bad_examples='keep'"):
        data.load(f"npz:{file}", 0, 0, bad_examples="keep")


def test_examples_with_different_labels_are_counted(load, capsys):
    x = arrays()["x_train"]
    x[4], x[9] = x[0], x[0]  # of classes 1, 0 and 0
    x[12] = x[3]  # both of class 0
    load(x_train=x)
    said = capsys.readouterr().out
    assert said == "Label noise: 3 examples in x_train occur with different labels, at 0, 4, 9\n"
