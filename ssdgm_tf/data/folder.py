"""A data set of image files in a folder per class: `--config.data=folder:FOLDER`."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, check_examples, count_classes, report_label_noise
from ssdgm_tf.data.names import resolve

_FORMATS = ("PNG", "JPEG", "BMP")
_UNLABELLED_FOLDERS = ("unlabelled", "unlabeled")
_GREY, _DEEP = ("1", "L", "LA"), ("I", "F")
_TEST_SHARE = 5
# A file whose header names more is not unpacked.
_MAX_PIXELS = 2**24


def load_folder(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """PNG, JPEG or BMP files in a folder per class: `--config.data=folder:FOLDER`.

    Either FOLDER/train/CLASS/* and FOLDER/test/CLASS/*, or FOLDER/CLASS/*. In the second layout a fifth of the images of
    each class (at least one), drawn by the seed, is the test set. A folder `unlabelled` beside the training classes holds
    images without a label. Classes are numbered in the alphabetical order of their names. Names that begin with a dot are
    ignored.

    The training images are shuffled by the seed. Images are grey [N, H, W, 1] if all files are, else RGB [N, H, W, 3].

    Args:
        path: the folder.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split, of the order of the training images and of the label draw.
        num_validation: number of labelled training images held out of training: the last in the shuffled order.
        data_dir: folder that a relative path starts from; None for the current one.
        bad_examples: "stop" at a file that is not an image or has another size than the first, or "drop" it.

    Raises:
        FileNotFoundError: no such folder, or a folder with neither layout.
        ValueError: a class without images, files that are not images of one size, or too few labelled images to draw.
    """
    root = find_folder(path, data_dir)
    generator = np.random.default_rng(seed)
    names = _class_names(root / "train" if (root / "train").is_dir() else root)
    if (root / "train").is_dir():
        _check_test_classes(root / "test", names)
        train, test = _labelled(root / "train", names), _labelled(root / "test", _class_names(root / "test"), names)
        unlabelled = _unlabelled(root / "train")
    else:
        train, test = _hold_out_test(_labelled(root, names), generator)
        unlabelled = _unlabelled(root)
    train += [(file, -1) for file in unlabelled]
    train = [train[index] for index in generator.permutation(len(train))]
    images, kept = read_images([file for file, _ in train + test], bad_examples)
    x = check_examples(images, str(root))
    y = np.array([label for _, label in train + test], np.int32)[kept]
    size = int(np.sum(kept < len(train)))
    count_classes(y[:size], y[size:], (str(root), str(root)))
    report_label_noise(x[:size], y[:size], str(root))
    return assemble((x[:size], y[:size]), (x[size:], y[size:]), num_labels, seed, num_validation, len(names), tuple(names))


def find_folder(path: str, data_dir: str | None = None) -> Path:
    """The folder that `path` names. Looks at the folders in it, not at the images.

    Raises:
        FileNotFoundError: no such folder, one with only one of train/ and test/, or one without a class folder.
    """
    root = resolve(path, data_dir)
    parts = [root / name for name in ("train", "test") if (root / name).is_dir()]
    if len(parts) == 1:
        raise FileNotFoundError(
            f"folder:FOLDER must hold both train/ and test/ or neither. Received: {root} with {parts[0].name}/ only"
        )
    for part in parts or [root]:
        if not part.is_dir() or not _class_names(part):
            raise FileNotFoundError(
                "folder:FOLDER must hold train/CLASS/ and test/CLASS/, or CLASS/, with images in each; relative paths start "
                f"from --data_dir where given. Received: no class folder in {part}"
            )
    return root


def read_images(files: list[Path], bad_examples: str = "stop") -> tuple[np.ndarray, np.ndarray]:
    """Image files of one size as an array, with a progress bar.

    Args:
        files: PNG, JPEG or BMP files with 8 bits per channel.
        bad_examples: "stop" at a file that cannot be read or has another size than the first, or "drop" it and print how
            many there were.

    Returns:
        Images, uint8 [N, H, W, 1] if all are grey, else [N, H, W, 3], without transparency; and the indices of their files
        in `files`, [N].

    Raises:
        ValueError: a bad file, with "stop"; or no good file.
    """
    images: list[np.ndarray] = []
    kept: list[int] = []
    bad: list[str] = []
    for index, file in enumerate(tqdm(files, desc="reading images", delay=2, leave=False)):
        try:
            image = read_image(file)
            if images and image.shape[:2] != images[0].shape[:2]:
                (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
                raise ValueError(
                    f"Images must all have one size, here {first_width}x{first_height} like {files[kept[0]]}. "
                    f"Received: {file} of {width}x{height}"
                )
        except ValueError as error:
            if bad_examples == "stop" or len(bad) == len(files) - 1:
                raise
            bad.append(f"{file}: {error}")
            continue
        images.append(image)
        kept.append(index)
    if bad:
        print(f"Bad examples dropped: {len(bad)} of {len(files)} files, the first {bad[0]}")
    channels = max(image.shape[-1] for image in images)
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images]), np.array(kept)


def read_image(file: Path) -> np.ndarray:
    """One image.

    Args:
        file: a PNG, JPEG or BMP file with 8 bits per channel.

    Returns:
        uint8 [H, W, 1] if it is grey, else [H, W, 3], without transparency.

    Raises:
        ValueError: a file that cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels, over {_MAX_PIXELS}")
            image.load()
            if image.mode.startswith(_DEEP):
                raise ValueError(f"mode {image.mode}")
            if image.mode in _GREY:
                return np.asarray(image.convert("L"))[..., None]
            # By way of RGBA, because a palette may hold transparent colours.
            return np.asarray((image.convert("RGBA") if image.mode == "P" else image).convert("RGB"))
    except (EOFError, MemoryError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"Images must be whole PNG, JPEG or BMP files with 8 bits per channel. Received: {file} ({error})"
        ) from error


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder, by name, without those that begin with a dot."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _class_names(folder: Path) -> list[str]:
    """The names of the class folders in a folder, in alphabetical order."""
    return [entry.name for entry in _visible(folder) if entry.is_dir() and entry.name not in _UNLABELLED_FOLDERS]


def _files(folder: Path) -> list[Path]:
    """The files of a folder, by name."""
    return [entry for entry in _visible(folder) if entry.is_file()]


def _unlabelled(folder: Path) -> list[Path]:
    """The images without a label."""
    return [file for name in _UNLABELLED_FOLDERS if (folder / name).is_dir() for file in _files(folder / name)]


def _labelled(folder: Path, names: list[str], numbering: list[str] | None = None) -> list[tuple[Path, int]]:
    """The images of the classes `names`, each with its label: the index of its class in `numbering`, or in `names`.

    Raises:
        ValueError: a class without images.
    """
    found = [(file, (numbering or names).index(name)) for name in names for file in _files(folder / name)]
    empty = [name for name in names if not _files(folder / name)]
    if empty:
        raise ValueError(f"A class folder must hold images. Received: none in {folder / empty[0]}")
    return found


def _check_test_classes(folder: Path, names: list[str]) -> None:
    """Refuses test images that are not of the training classes.

    Raises:
        ValueError: another class, or unlabelled images.
    """
    other = [entry.name for entry in _visible(folder) if entry.is_dir() and entry.name not in names]
    if other:
        raise ValueError(f"Test images must be of the training classes {', '.join(names)}. Received: {folder / other[0]}")


def _hold_out_test(
    labelled: list[tuple[Path, int]], generator: np.random.Generator
) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Splits the labelled images of each class into training and test images.

    Raises:
        ValueError: a class with a single image.
    """
    train, test = [], []
    labels = np.array([label for _, label in labelled])
    for label in range(labels[-1] + 1):
        members = generator.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise ValueError(
                "Without train/ and test/ every class must have at least two images, because one is held out for testing. "
                f"Received: {len(members)} in {labelled[members[0]][0].parent}"
            )
        num_test = max(1, len(members) // _TEST_SHARE)
        test += [labelled[index] for index in np.sort(members[:num_test])]
        train += [labelled[index] for index in np.sort(members[num_test:])]
    return train, test
