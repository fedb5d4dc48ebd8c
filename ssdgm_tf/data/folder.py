"""A data set of image files in a folder per class: `--config.data=folder:FOLDER`."""

from pathlib import Path

import numpy as np

from ssdgm_tf import rows
from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, check_examples, report_label_noise
from ssdgm_tf.data.image_files import ImageFiles, visible
from ssdgm_tf.data.images import parse_resize, read_images
from ssdgm_tf.data.names import resolve, shown
from ssdgm_tf.data.splits import hold_out_test

_UNLABELLED = ("unlabelled", "unlabeled")
# Images and their labels.
_Files = list[tuple[Path, int]]


def load_folder(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
    resize: str = "",
) -> SemiSupervisedData:
    """Images in a folder per class, as they look: `--config.data=folder:FOLDER`. See `read_image` for the formats.

    Either FOLDER/train/CLASS/* and FOLDER/test/CLASS/*, or FOLDER/CLASS/*. In the second layout a fifth of the images of
    each class (at least one), drawn by the seed, is the test set. Classes are numbered in the alphabetical order of their
    names. Folders `unlabelled` or `unlabeled` beside the training classes, or beside train/, hold images without a label.
    These names and train and test may have any capitals. Images in sub-folders belong to the class, or are unlabelled.

    Files that belong to no class, and files whose names are not those of images, are passed over; a line says how many.
    Names that begin with a dot, and those that systems make, such as Thumbs.db and __MACOSX, are left out.

    The training images are shuffled by the seed. Images are grey [N, H, W, 1] if all files are, else RGB [N, H, W, 3].

    Args:
        path: the folder.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split, of the order of the training images and of the label draw.
        num_validation: number of labelled training images held out of training: the last in the shuffled order.
        data_dir: folder that a relative path starts from; None for the current one.
        bad_examples: "stop" at a file that is not an image or has another size than the first; or "drop" it, and those of
            another size than most.
        resize: "HxW", such as "32x48": every image is resized to this height and width, without keeping its aspect; "" for
            images that have one size.

    Raises:
        FileNotFoundError: no such folder, or a folder with neither layout.
        ValueError: a class without images, files that are not images of one size, or too few labelled images to draw.
    """
    size, root = parse_resize(resize), find_folder(path, data_dir)
    generator = np.random.default_rng(seed)
    found, parts = ImageFiles(root), _parts(root)
    holder = parts[0] if parts else root
    names = [folder.name for folder in _class_folders(holder)]
    if parts:
        _check_test_classes(parts[1], names)
        train, test = _labelled(parts[0], names, found), _labelled(parts[1], names, found)
    else:
        train, test = _labelled(root, names, found), []
        _check_two_each(train, names)
    unlabelled = [folder for above in dict.fromkeys((root, holder)) for folder in _folders(above, _UNLABELLED)]
    train += [(file, -1) for folder in unlabelled for file in found.below(folder)]
    _leave_out(root, parts, found)
    found.report()
    if parts:
        kept, held_out = generator.permutation(len(train)), np.array([], int)
    else:
        kept, held_out = hold_out_test(np.array([label for _, label in train]), generator, tuple(names))
    train, test = [train[index] for index in kept], test + [train[index] for index in held_out]
    images, kept = read_images([file for file, _ in train + test], bad_examples, size)
    x, raw_dtype = check_examples(images, shown(root)), raw.dtype_of(images)
    y = np.array([label for _, label in train + test], np.int32)[kept]
    number = int(np.sum(kept < len(train)))
    _check_classes(y[:number], y[number:], names, root)
    learned, tested = ((rows.take(x, part), y[part]) for part in np.split(np.arange(len(y)), [number]))
    report_label_noise(*learned, shown(root))
    class_names = tuple(shown(name) for name in names)
    ids = [shown(train[index][0].relative_to(root)) for index in kept[:number]]
    return assemble(learned, tested, num_labels, seed, num_validation, len(names), class_names, raw_dtype=raw_dtype, ids=ids)


def find_folder(path: str, data_dir: str | None = None) -> Path:
    """The folder that `path` names. Looks at the folders in it, not at the images.

    Raises:
        FileNotFoundError: no such folder, one with only one of train/ and test/, or one without a class folder.
        ValueError: a folder that cannot be read.
    """
    root = resolve(path, data_dir)
    for part in (_parts(root) if root.is_dir() else None) or [root]:
        if not part.is_dir() or not _class_folders(part):
            raise FileNotFoundError(
                "folder:FOLDER must hold train/CLASS/ and test/CLASS/, or CLASS/, with images in each; relative paths start "
                f"from --data_dir where given. Received: no class folder in {shown(part)}"
            )
    return root


def _parts(root: Path) -> tuple[Path, Path] | None:
    """The folders train/ and test/, in any capitals; None where there is neither.

    Raises:
        FileNotFoundError: only one of them, or two of a name.
    """
    train, test = (_folders(root, (name,)) for name in ("train", "test"))
    if not train and not test:
        return None
    if len(train) != 1 or len(test) != 1:
        raise FileNotFoundError(
            f"folder:FOLDER must hold one train/ and one test/ or neither. Received: {shown(root)} with "
            f"{', '.join(shown(folder.name) + '/' for folder in train + test)} only"
        )
    return train[0], test[0]


def _folders(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The folders in a folder that have one of these names, in any capitals."""
    return [entry for entry in visible(folder) if entry.is_dir() and entry.name.lower() in names]


def _class_folders(folder: Path) -> list[Path]:
    """The class folders in a folder, in the alphabetical order of their names."""
    return [entry for entry in visible(folder) if entry.is_dir() and entry.name.lower() not in _UNLABELLED]


def _labelled(folder: Path, names: list[str], found: ImageFiles) -> _Files:
    """The images of the class folders in a folder, each with the index of its class in `names`.

    Raises:
        ValueError: a class without images, images without a class in it, or sub-folders that may be the classes.
    """
    labelled: _Files = []
    for of_class in _class_folders(folder):
        images = found.below(of_class)
        if not images:
            others = "".join(f", but {shown(entry.name)}" for entry in visible(of_class)[:1])
            raise ValueError(f"A class folder must hold images. Received: none in {shown(of_class)}{others}")
        below = sorted({file.relative_to(of_class).parts[:-1] for file in images})
        if inside := [path for path in below if any(name.lower() in _UNLABELLED for name in path)]:
            raise ValueError(
                "Unlabelled images must lie beside the class folders, because sub-folders of a class belong to it. "
                f"Received: {shown(of_class.joinpath(*inside[0]))}"
            )
        if len(names) == 1 and () not in below:
            raise ValueError(
                "The images of the only class must lie in its folder itself, because its sub-folders may be the classes. "
                f"Received: {shown(of_class)} with {shown(below[0][0])}/; is folder:{shown(of_class)} meant?"
            )
        labelled += [(file, names.index(of_class.name)) for file in images]
    return labelled


def _check_test_classes(folder: Path, names: list[str]) -> None:
    """Refuses test images that are not of the training classes.

    Raises:
        ValueError: another class, or unlabelled images.
    """
    other = [entry for entry in visible(folder) if entry.is_dir() and entry.name not in names]
    if other:
        raise ValueError(
            f"Test images must be of the training classes {', '.join(map(shown, names))}. Received: {shown(other[0])}"
        )


def _check_two_each(labelled: _Files, names: list[str]) -> None:
    """Checks that one image of each class can be held out for testing.

    Raises:
        ValueError: a class with a single image.
    """
    counts = np.bincount([label for _, label in labelled], minlength=len(names))
    if (few := np.flatnonzero(counts < 2)).size:
        raise ValueError(
            "Without train/ and test/ every class must have at least two images, because one is held out for testing. "
            f"Received: {counts[few[0]]} in {shown(names[few[0]])}"
        )


def _leave_out(root: Path, parts: tuple[Path, Path] | None, found: ImageFiles) -> None:
    """Counts what belongs to no class: files beside class folders, and folders beside train/ and test/."""
    found.leave_out(entry for folder in (root, *(parts or ())) for entry in visible(folder) if not entry.is_dir())
    if parts:
        known = {*parts, *_folders(root, _UNLABELLED)}
        found.leave_out(entry for entry in visible(root) if entry.is_dir() and entry not in known)


def _check_classes(y: np.ndarray, y_test: np.ndarray, names: list[str], root: Path) -> None:
    """Checks that bad files leave every class a training image, and some test image.

    Raises:
        ValueError: they do not.
    """
    without = [name for label, name in enumerate(names) if label not in y]
    if without or not len(y_test):
        raise ValueError(
            "Where bad files are dropped, every class must keep a training image, and some class a test image. Received: "
            + (f"none left of {shown(without[0])} in {shown(root)}" if without else f"no test image left in {shown(root)}")
        )
