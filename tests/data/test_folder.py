import numpy as np
import pytest
from PIL import Image

from ssdgm_tf import data
from ssdgm_tf.data.folder import read_images


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

    def test_labels_are_drawn_among_the_labelled(self, single, capsys):
        dataset = data.load(f"folder:{single}", 3, seed=0)
        assert sorted(np.bincount(dataset.labelled[1])) == [1, 2] and (values(dataset.labelled[0]) < 200).all()
        assert capsys.readouterr().out.startswith("labels per class: ")

    def test_a_single_image_of_a_class_is_refused(self, single):
        save(single / "eel" / "0.png", 1)
        with pytest.raises(ValueError, match=r"every class must have at least two images.* Received: 1 in .*eel"):
            data.load_folder(str(single), 0, seed=0)


class TestTrainAndTest:
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
        with pytest.raises(FileNotFoundError, match=r"train/ and test/ or neither. Received: .* with train/ only"):
            data.require(f"folder:{parted}")

    def test_a_class_without_images_is_refused(self, parted):
        (parted / "train" / "dinghy").mkdir()
        with pytest.raises(ValueError, match=r"must hold images. Received: none in .*train/dinghy"):
            data.load_folder(str(parted), 0, seed=0)


class TestImages:
    pixels = np.random.default_rng(0).integers(256, size=(3, 4, 3), dtype=np.uint8)

    def test_grey_is_one_channel(self, tmp_path):
        grey = self.pixels[..., 0]
        save(tmp_path / "a.png", grey)
        save(tmp_path / "b.bmp", grey)
        Image.fromarray(np.stack([grey, grey // 2], axis=-1)).save(tmp_path / "c.png")  # with transparency
        images, _ = read_images([tmp_path / name for name in ("a.png", "b.bmp", "c.png")])
        np.testing.assert_array_equal(images, np.broadcast_to(grey[..., None], (3, 3, 4, 1)))

    def test_one_colour_image_makes_all_of_them_rgb(self, tmp_path):
        save(tmp_path / "a.png", self.pixels[..., 0])
        save(tmp_path / "b.png", self.pixels, "RGB")
        images, _ = read_images([tmp_path / "a.png", tmp_path / "b.png"])
        np.testing.assert_array_equal(images[0], np.repeat(self.pixels[..., :1], 3, axis=-1))
        np.testing.assert_array_equal(images[1], self.pixels)

    def test_palettes_and_transparency_become_rgb(self, tmp_path):
        save(tmp_path / "a.png", self.pixels, "RGBA")
        palette = Image.fromarray(np.array([[0, 1, 2, 1]] * 3, np.uint8)).convert("P")
        palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        palette.save(tmp_path / "b.png", transparency=bytes([0, 128, 255]))
        images, _ = read_images([tmp_path / "a.png", tmp_path / "b.png"])
        np.testing.assert_array_equal(images[0], self.pixels)
        np.testing.assert_array_equal(images[1][0], [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 0]])

    def test_jpeg(self, tmp_path):
        save(tmp_path / "a.jpg", np.full((16, 16, 3), [200, 50, 20]), "RGB", quality=95)
        np.testing.assert_allclose(read_images([tmp_path / "a.jpg"])[0][0], np.full((16, 16, 3), [200, 50, 20]), atol=4)

    def test_another_size_is_named(self, single):
        save(single / "dog" / "1.png", np.zeros((5, 6)))
        with pytest.raises(ValueError, match=r"one size, here 4x3 like .*\d.(png|bmp). Received: .*dog/1.png of 6x5"):
            read_images(sorted(single.glob("*/[0-9].*")))

    @pytest.mark.parametrize("kind", ["text", "truncated", "empty", "16 bits", "gif"])
    def test_an_unreadable_file_is_named(self, kind, single):
        file = single / "cat" / "3.png"
        whole = file.read_bytes()
        if kind == "16 bits":
            Image.fromarray(np.full((3, 4), 1000, np.uint16)).save(file)
        elif kind == "gif":
            Image.fromarray(np.zeros((3, 4), np.uint8)).save(file, format="GIF")
        else:
            file.write_bytes({"text": b"hello", "truncated": whole[: len(whole) - 25], "empty": b""}[kind])
        with pytest.raises(ValueError, match=r"whole PNG, JPEG or BMP files with 8 bits per channel. Received: .*cat/3.png"):
            data.load_folder(str(single), 0, seed=0)


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
