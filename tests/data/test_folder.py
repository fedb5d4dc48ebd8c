import os

import numpy as np
import pytest
from PIL import Image

from ssdgm_tf import data
from tests.memory import allocated


def save(path, values, mode="L", **options):
    """An image file; `values` are a number for all its pixels or its pixels [H, W] or [H, W, C]."""
    pixels = np.full((3, 4), values, np.uint8) if np.ndim(values) == 0 else np.asarray(values, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)


@pytest.fixture
def single(tmp_path):
    """10 cats with pixels 0..9, 3 dogs with 100..102, 4 unlabelled images with 200..203, in tmp_path itself."""
    for i in range(10):
        save(tmp_path / "cat" / f"{i}.png", i)
    for i in range(3):
        save(tmp_path / "dog" / f"{i}.bmp", 100 + i)
    for i in range(4):
        save(tmp_path / "unlabelled" / f"{i}.png", 200 + i)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"?")
    (tmp_path / "README.txt").write_text("not a class")
    return tmp_path


@pytest.fixture
def parted(tmp_path):
    """train/ with 2 boats, 3 cars and an unlabelled image; test/ with a car."""
    for i, (name, value) in enumerate([("car", 1), ("boat", 11), ("car", 2), ("boat", 12), ("car", 3), ("unlabelled", 99)]):
        save(tmp_path / "train" / name / f"{i}.png", value)
    save(tmp_path / "test" / "car" / "0.png", 4)
    return tmp_path


def values(x):
    """The one value of every image, as it was saved."""
    assert (x == x[:, :1, :1]).all()
    return np.rint(x[:, 0, 0, 0] * 255).astype(int)


class TestOneFolder:
    def test_a_fifth_of_every_class_is_held_out(self, single):
        dataset = data.load(f"folder:{single}", 0, seed=0)
        assert dataset.class_names == ("cat", "dog") and dataset.num_classes == 2
        assert dataset.x_train.shape == (14, 3, 4, 1) and dataset.x_train.dtype == np.float32
        assert dataset.y_test.tolist() == [0, 0, 1]
        everything = np.r_[values(dataset.x_train), values(dataset.x_test)]
        assert sorted(everything) == [*range(10), 100, 101, 102, 200, 201, 202, 203]
        for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
            np.testing.assert_array_equal(y, np.select([values(x) < 10, values(x) < 200], [0, 1], -1))

    def test_split_and_order_are_drawn_by_the_seed(self, single):
        first, again, other = (data.load_folder(str(single), 0, seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first.x_train, again.x_train)
        np.testing.assert_array_equal(first.x_test, again.x_test)
        assert values(first.x_train).tolist() != values(other.x_train).tolist()
        assert len({tuple(values(data.load_folder(str(single), 0, seed).x_test)) for seed in range(6)}) > 1

    def test_validation_is_shuffled_and_labelled(self, single):
        dataset = data.load_folder(str(single), 0, seed=0, num_validation=5)
        whole = data.load_folder(str(single), 0, seed=0)
        labelled = values(whole.x_train)[whole.y_train >= 0]
        np.testing.assert_array_equal(values(dataset.x_validation), labelled[-5:])
        assert (np.diff(labelled) < 0).any() and (dataset.y_validation >= 0).all()
        assert (dataset.y_train == -1).sum() == 4 and len(dataset.y_train) == 9

    @pytest.mark.parametrize("num_validation", [0, 5])
    def test_examples_have_the_names_of_their_files(self, num_validation, single):
        save(single / "cat" / "0.png", np.zeros((9, 9)))  # of another size: it is dropped
        dataset = data.load_folder(str(single), 0, 0, num_validation, bad_examples="drop")
        of = {0: ("cat", 0, "png"), 1: ("dog", 100, "bmp"), 2: ("unlabelled", 200, "png")}
        expected = []
        for value in values(dataset.x_train):
            name, first, suffix = of[int(value >= 100) + int(value >= 200)]
            expected.append(f"{name}{os.sep}{value - first}.{suffix}")
        assert list(dataset.ids) == expected

    def test_labels_are_drawn_among_the_labelled(self, single, capsys):
        dataset = data.load(f"folder:{single}", 3, seed=0)
        assert sorted(np.bincount(dataset.labelled[1])) == [1, 2] and (values(dataset.labelled[0]) < 200).all()
        assert "\nlabels per class: " in capsys.readouterr().out

    def test_a_single_image_of_a_class_is_refused(self, single):
        save(single / "eel" / "0.png", 1)
        with pytest.raises(ValueError, match=r"every class must have at least two images.* Received: 1 in .*eel"):
            data.load_folder(str(single), 0, seed=0)


class TestTrainAndTest:
    def test_examples_have_the_names_of_their_files(self, parted):
        dataset = data.load(f"folder:{parted}", 0, seed=0)
        names = {1: "car/0", 11: "boat/1", 2: "car/2", 12: "boat/3", 3: "car/4", 99: "unlabelled/5"}
        expected = [os.path.join("train", f"{names[value]}.png") for value in values(dataset.x_train)]
        assert list(dataset.ids) == expected

    def test_are_taken_as_they_are(self, parted):
        dataset = data.load(f"folder:{parted}", 0, seed=0)
        assert dataset.class_names == ("boat", "car") and values(dataset.x_test).tolist() == [4]
        assert dataset.y_test.tolist() == [1]
        labels = dict(zip(values(dataset.x_train).tolist(), dataset.y_train.tolist(), strict=True))
        assert labels == {1: 1, 2: 1, 3: 1, 11: 0, 12: 0, 99: -1}

    @pytest.mark.parametrize("name", ["aeroplane", "unlabelled"])
    def test_another_class_in_the_test_is_refused(self, name, parted):
        save(parted / "test" / name / "0.png", 1)
        with pytest.raises(ValueError, match=f"of the training classes boat, car. Received: .*test/{name}"):
            data.load_folder(str(parted), 0, seed=0)

    def test_one_of_the_two_is_refused(self, parted):
        (parted / "test").rename(parted / "testing")
        with pytest.raises(FileNotFoundError, match=r"one train/ and one test/ or neither. Received: .* with train/ only"):
            data.require(f"folder:{parted}")

    def test_a_class_without_images_is_refused(self, parted):
        (parted / "train" / "dinghy").mkdir()
        with pytest.raises(ValueError, match=r"must hold images. Received: none in .*train/dinghy"):
            data.load_folder(str(parted), 0, seed=0)


#: {name: (files, {file: class or ""}, what is printed)}. The files a/0.png to b/1.png are there too.
BASE = {"a/0.png": "a", "a/1.png": "a", "b/0.png": "b", "b/1.png": "b"}
PARTED = {"train/a/0.png": "a", "train/b/0.png": "b", "test/a/0.png": "a", "test/b/0.png": "b"}
LAYOUTS = {
    "classes": (BASE, {}, ""),
    "sub-folders of a class": (BASE, {"a/x/0.png": "a", "a/x/y/0.png": "a"}, ""),
    "a class of sub-folders only": (BASE, {"c/x/0.png": "c", "c/y/0.png": "c"}, ""),
    "unlabelled": (BASE, {"unlabelled/0.png": ""}, ""),
    "unlabelled, with sub-folders": (BASE, {"unlabelled/x/y/0.png": "", "unlabelled/a/0.png": ""}, ""),
    "unlabelled by several names": (BASE, {"Unlabelled/0.png": "", "unlabeled/0.png": "", "UNLABELED/x/0.png": ""}, ""),
    "capitals": (BASE, {"A/0.png": "A", "A/1.png": "A"}, ""),
    "suffixes": (BASE, {"a/1.PNG": "a", "a/none": "a", "a/two.dots.Png": "a", "a/0.png copy.png": "a"}, ""),
    "train and test": (PARTED, {}, ""),
    "train and test, in capitals": ({}, {f"Train/{name}/0.png": name for name in "ab"} | {"TEST/a/x/0.png": "a"}, ""),
    "train and test, unlabelled in train": (PARTED, {"train/Unlabelled/x/0.png": ""}, ""),
    "train and test, unlabelled beside them": (PARTED, {"unlabeled/0.png": "", "train/unlabelled/1.png": ""}, ""),
    "a class that is called train": (BASE, {"a/train/0.png": "a", "a/test/0.png": "a"}, ""),
    "hidden": (
        BASE,
        {name: None for name in (".git/0.png", "a/.cache/0.png", "a/._0.png", "a/.DS_Store", "a/Thumbs.db", "b/desktop.ini")}
        | {name: None for name in ("__MACOSX/a/0.png", "a/__MACOSX/0.png", "a/@eaDir/0.png/small.jpg", "unlabelled/.x.png")},
        "",
    ),
    "a file of no class": (BASE, {"notes.txt": None}, "1 file that belongs to no class, such as notes.txt"),
    "files of no class": (
        BASE,
        {"0.png": None, "list.csv": None, "notes.txt": None},
        "3 files that belong to no class, such as 0.png",
    ),
    "other files in a class": (
        BASE,
        {"a/notes.txt": None, "unlabelled/x/list.csv": None, "b/a.npy": None, "unlabelled/0.png": ""},
        "3 files whose names are not those of images, such as a/notes.txt",
    ),
    "both": (
        BASE,
        {"readme.md": None, "a/x/notes.txt": None},
        "1 file that belongs to no class, such as readme.md; "
        "1 file whose name is not that of an image, such as a/x/notes.txt",
    ),
    "beside train and test": (
        PARTED,
        {"val/a/0.png": None, "val/b/x/0.png": None, "train/0.png": None, "test/list.txt": None, "list.txt": None},
        "5 files that belong to no class, such as list.txt",
    ),
    "bytes that are no text": (
        BASE,
        {os.fsdecode(b"a/\xe9\n.png"): "a", os.fsdecode(b"a/\xff.txt"): None, os.fsdecode(b"\xe9/0.png"): "\\xe9"}
        | {os.fsdecode(b"\xe9/1.png"): "\\xe9"},
        "1 file whose name is not that of an image, such as a/\\xff.txt",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_file_is_used_or_counted(name, tmp_path, capsys):
    base, more, passed_over = LAYOUTS[name]
    files = base | more
    for shade, file in enumerate(files):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), shade).save(path, format="PNG")
    dataset = data.load(f"folder:{tmp_path}", 0, seed=0)
    printed = capsys.readouterr().out
    printed.encode()
    assert printed == (f"Passed over: {passed_over}\n" if passed_over else "")
    found = {}
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        found |= {list(files)[shade]: label for shade, label in zip(values(x), y, strict=True)}
    names = sorted({label for label in files.values() if label}, key=lambda name: (name.startswith("\\"), name))
    assert dataset.class_names == tuple(names)
    used = {file: label for file, label in files.items() if label is not None}
    assert found == {file: names.index(label) if label else -1 for file, label in used.items()}
    in_test = {list(files)[shade] for shade in values(dataset.x_test)}
    assert not PARTED.keys() & files.keys() or in_test == {file for file in used if file.lower().startswith("test")}


@pytest.mark.parametrize("name", LAYOUTS)
def test_predictions_read_the_same_files(name, tmp_path, capsys):
    """Those of the folder, those of no class among them."""
    base, more, _ = LAYOUTS[name]
    for shade, file in enumerate(base | more):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), shade).save(path, format="PNG")
    ((names, x, bad),) = data.Examples(str(tmp_path), (3, 4, 1)).batches(99)
    used = [i for i, (file, label) in enumerate((base | more).items()) if label is not None or is_image_of_no_class(file)]
    assert sorted(values(x / 255)) == used and not bad
    "".join([*names, capsys.readouterr().out]).encode()


def is_image_of_no_class(file):
    return file in ("0.png", "val/a/0.png", "val/b/x/0.png", "train/0.png")


#: {name: (folders or files that are links, {link: where to}, used files, what is printed)}
LINKS = {
    "a circle": ({"a/x/up": ".."}, [], "1 folder that a link leads to again, such as a/x/up"),
    "a circle to the root": ({"a/up": "../.."}, [], "1 folder that a link leads to again, such as a/up"),
    "a link to itself": ({"a/self": "self"}, None, ""),
    "two circles": (
        {"a/x/up": "..", "unlabelled/up": "../unlabelled"},
        [],
        "2 folders that links lead to again, such as a/x/up",
    ),
    "another folder": ({"a/more": "{elsewhere}"}, ["a/more/0.png"], ""),
    "a class": ({"c": "{elsewhere}"}, ["c/0.png", "c/1.png"], ""),
    "one folder twice": ({"a/more": "{elsewhere}", "a/most": "{elsewhere}"}, ["a/more/0.png"], "1 folder that a link leads"),
    "a file": ({"a/9.png": "0.png"}, ["a/9.png"], ""),
    "no file": ({"a/9.png": "nowhere.png"}, None, ""),
    "no file, of another kind": ({"a/9.txt": "nowhere"}, [], "1 file whose name is not that of an image, such as a/9.txt"),
}


@pytest.mark.parametrize("name", LINKS)
def test_links_are_followed_once(name, tmp_path, capsys):
    links, more, printed = LINKS[name]
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for file in (*BASE, "a/x/0.png", "unlabelled/0.png"):
        save(root / file, 1)
    for i in range(2 if name == "a class" else 1):
        save(elsewhere / f"{i}.png", 2)
    for link, target in links.items():
        (root / link).symlink_to(target.format(elsewhere=elsewhere))
    if more is None:
        with pytest.raises(ValueError, match=r"one picture. Received: .*root/a/.* \(not a file\)"):
            data.load(f"folder:{root}", 0, seed=0)
        return
    dataset = data.load(f"folder:{root}", 0, seed=0)
    assert len(dataset.x_train) + len(dataset.x_test) == 6 + len(more)
    assert printed in capsys.readouterr().out
    names = [name for some, *_ in data.Examples(str(root), (3, 4, 1)).batches(99) for name in some]
    assert {*BASE, "a/x/0.png", "unlabelled/0.png", *more} == set(names) and len(names) == 6 + len(more)


#: {name: (files, the error)}
REFUSED = {
    "one level too high": (["set/a/0.png", "set/b/0.png"], r"only class .*Received: .*set with a/; is folder:.*set meant\?"),
    "one level too high, parted": (
        ["train/set/a/0.png", "train/set/b/0.png", "test/set/a/0.png"],
        r"only class .*Received: .*train/set with a/; is folder:",
    ),
    "unlabelled in a class": (
        [*BASE, "a/Unlabelled/0.png"],
        r"must lie beside the class folders.* Received: .*/a/Unlabelled",
    ),
    "a class of other files": ([*BASE, "c/notes.txt"], r"must hold images. Received: none in .*/c, but notes.txt"),
    "train twice": ([*PARTED, "Train/a/0.png"], r"one train/ and one test/ or neither.*with Train/, train/, test/"),
    "train alone": (["Train/a/0.png"], r"one train/ and one test/ or neither.* with Train/ only"),
    "an image of another format": ([*BASE, "a/0.heic"], r"Images must be whole .* Received: .*a/0.heic"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_meant_otherwise_is_refused(name, tmp_path):
    files, message = REFUSED[name]
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3)).save(path, format="PPM" if file.endswith("heic") else "PNG")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        data.load(f"folder:{tmp_path}", 0, seed=0)


def test_a_folder_that_cannot_be_read(single, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match=r"must be readable. Received: .* \(Permission denied\)"):
        data.load_folder(str(single), 0, seed=0)


def test_memory_is_at_most_twice_that_of_the_images(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(64, 64, 3))
    for i in range(200):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", (pixels + i) % 256)
    dataset, peak = allocated(data.load_folder, str(tmp_path), 0, seed=0)
    assert peak < 2 * 200 * 64 * 64 and len(dataset.x_train) == 160


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "unlabelled").mkdir()
    with pytest.raises(FileNotFoundError, match=f"no class folder in {tmp_path}"):
        data.require(f"folder:{tmp_path}")


def test_bad_files_stop_or_are_dropped_and_counted(parted, capsys):
    (parted / "train" / "boat" / "1.png").write_bytes(b"no image")
    save(parted / "train" / "unlabelled" / "large.png", np.zeros((9, 9)))
    with pytest.raises(ValueError, match="Images must"):
        data.load_folder(str(parted), 0, seed=0)
    dataset = data.load_folder(str(parted), 0, seed=0, bad_examples="drop")
    found = dict(zip(values(dataset.x_train).tolist(), dataset.y_train.tolist(), strict=True))
    assert found == {1: 1, 2: 1, 3: 1, 12: 0, 99: -1}
    assert values(dataset.x_test).tolist() == [4]
    assert "Bad examples dropped: 2 of 8 files, the first" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("broken", "message"),
    [("train/boat", "none left of boat in"), ("test/car", "no test image left in")],
)
def test_bad_files_leave_no_class_without_images(broken, message, parted):
    for file in (parted / broken).iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(ValueError, match=f"every class must keep a training image.*Received: {message}"):
        data.load_folder(str(parted), 0, seed=0, bad_examples="drop")
