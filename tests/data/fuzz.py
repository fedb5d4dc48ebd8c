"""Thousands of damaged files, each read under a limit of memory and computation: a clear error or good data, nothing else.

    python -m tests.data.fuzz NUM_FILES SEED

Prints how many were read and refused, and the first of each error that is neither.
"""

import gzip
import json
import resource
import signal
import struct
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from ssdgm_tf import data

_MEMORY, _SECONDS = 2 * 2**30, 5
# What readers are documented to raise; a UserError of the commands holds the message of either.
_CLEAR = (ValueError, FileNotFoundError)


class Slow(BaseException):
    """A file took too long. Not an Exception, so that no reader takes it for damage."""


def npz(folder, generator, save):
    x, y = generator.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8), np.arange(20) % 3
    save(folder / "f.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    return "f.npz", lambda: data.load("npz:f.npz", 6, 0, data_dir=str(folder))


def idx(folder, generator, packed):
    x, y = generator.integers(0, 256, (20, 4, 4)).astype(np.uint8), (np.arange(20) % 3).astype(np.uint8)
    end = ".gz" if packed else ""
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", x), (f"{part}-labels-idx1-ubyte", y)):
            content = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
            (folder / (name + end)).write_bytes(gzip.compress(content) if packed else content)
    return f"train-images-idx3-ubyte{end}", lambda: data.load(f"idx:{folder}", 6, 0)


def images(folder, generator, suffix, shape=(6, 5, 3), dtype=np.uint8, **options):
    """`options` are those of Pillow; every image has an orientation."""
    exif = Image.Exif()
    exif[0x0112] = 3
    for name in ("a", "b"):
        (folder / name).mkdir()
        for i in range(3):
            pixels = generator.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
            Image.fromarray(pixels).save(folder / name / f"{i}.{suffix}", **{"exif": exif} | options)
    return f"a/1.{suffix}", lambda: data.load(f"folder:{folder}", 2, 0)


def npy(folder, generator, damaged):
    x, y = generator.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8), np.arange(20) % 3
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return damaged, lambda: data.load("npy:x.npy,y.npy", 6, 0, data_dir=str(folder))


def mat(folder, generator, is_packed):
    x, y = generator.integers(0, 256, (4, 4, 1, 20)).astype(np.uint8), np.arange(20) % 3 + 1
    scipy.io.savemat(folder / "f.mat", {"X": x, "y": y}, do_compression=is_packed)
    return "f.mat", lambda: data.load("mat:f.mat", 6, 0, data_dir=str(folder))


def csv(folder, generator):
    x, y = generator.integers(0, 256, (20, 16)), np.arange(20) % 3
    header = ",".join(["label", *(f"p{i}" for i in range(16))])
    np.savetxt(folder / "f.csv", np.column_stack([y, x]), fmt="%d", delimiter=",", header=header, comments="")
    return "f.csv", lambda: data.load("csv:f.csv", 6, 0, data_dir=str(folder), image_shape="4x4")


def streamed(folder, generator, suffix):
    x = generator.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    write = {
        "csv": lambda path: np.savetxt(path, x.reshape(20, -1), fmt="%d", delimiter=","),
        "npy": lambda path: np.save(path, x),
        "npz": lambda path: np.savez_compressed(path, x=x),
        "mat": lambda path: scipy.io.savemat(path, {"X": x}),
    }
    write[suffix](folder / f"f.{suffix}")
    return f"f.{suffix}", lambda: list(data.Examples(str(folder / f"f.{suffix}"), (4, 4, 1)).batches(7))


KINDS = {
    "npz": lambda folder, generator: npz(folder, generator, np.savez),
    "npz, compressed": lambda folder, generator: npz(folder, generator, np.savez_compressed),
    "idx": lambda folder, generator: idx(folder, generator, False),
    "idx.gz": lambda folder, generator: idx(folder, generator, True),
    "png": lambda folder, generator: images(folder, generator, "png"),
    "jpg": lambda folder, generator: images(folder, generator, "jpg"),
    "bmp": lambda folder, generator: images(folder, generator, "bmp"),
    "gif": lambda folder, generator: images(folder, generator, "gif", (6, 5)),
    "webp": lambda folder, generator: images(folder, generator, "webp", (6, 5, 4)),
    "tif": lambda folder, generator: images(folder, generator, "tif"),
    "tif, packed": lambda folder, generator: images(folder, generator, "tif", (6, 5), np.float32, compression="tiff_lzw"),
    "png of 16 bits": lambda folder, generator: images(folder, generator, "png", (6, 5), np.uint16),
    "png, transparent": lambda folder, generator: images(folder, generator, "png", (6, 5), transparency=7),
    "npy, x": lambda folder, generator: npy(folder, generator, "x.npy"),
    "npy, y": lambda folder, generator: npy(folder, generator, "y.npy"),
    "mat": lambda folder, generator: mat(folder, generator, False),
    "mat, compressed": lambda folder, generator: mat(folder, generator, True),
    "csv": csv,
    "npz to predict": lambda folder, generator: streamed(folder, generator, "npz"),
    "npy to predict": lambda folder, generator: streamed(folder, generator, "npy"),
    "mat to predict": lambda folder, generator: streamed(folder, generator, "mat"),
    "csv to predict": lambda folder, generator: streamed(folder, generator, "csv"),
}


def damaged(content: bytes, generator) -> bytes:
    """The content with a few bytes changed, cut out, put in or repeated, or with sizes that lie."""
    content = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        at = int(generator.integers(0, max(1, len(content))))
        kind = generator.integers(0, 6)
        if kind == 0 and content:
            content[at % len(content)] ^= int(generator.integers(1, 256))
        elif kind == 1:
            del content[at:]
        elif kind == 2:
            del content[at : at + int(generator.integers(1, 30))]
        elif kind == 3:
            content[at:at] = generator.integers(0, 256, int(generator.integers(1, 30))).astype(np.uint8).tobytes()
        elif kind == 4:
            content[at:at] = content[at : at + 40]
        else:  # a size, large or negative
            content[at : at + 4] = struct.pack(">I", int(generator.choice([0, 2**31 - 1, 2**32 - 1, 2**16])))
    return bytes(content)


def repacked(path: Path, generator) -> None:
    """An .npz file that is whole, of damaged arrays: what a check sum does not find."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = generator.choice(sorted(members))
    members[chosen] = damaged(members[chosen], generator)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def main(num_files: int, seed: int) -> None:
    """Damages and reads `num_files` files and prints the counts as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(Slow(f"over {_SECONDS} seconds")))
    generator, counts, wrong = np.random.default_rng(seed), {name: [0, 0] for name in KINDS}, {}
    sys.stdout, printed = open("/dev/null", "w"), sys.stdout
    with tempfile.TemporaryDirectory() as root:
        for number, (name, make) in enumerate(KINDS.items()):
            folder = Path(root) / str(number)
            folder.mkdir()
            file, read = make(folder, generator)
            read()
            whole = (folder / file).read_bytes()
            for i in range(num_files // len(KINDS) + 1):
                (folder / file).write_bytes(whole)
                if "npz" in name and i % 2:
                    repacked(folder / file, generator)
                else:
                    (folder / file).write_bytes(damaged(whole, generator))
                signal.setitimer(signal.ITIMER_PROF, _SECONDS)  # of the processor, however busy the machine is
                try:
                    read()
                    counts[name][0] += 1
                except _CLEAR as error:
                    counts[name][1] += 1
                    if "Received" not in str(error):
                        wrong.setdefault(f"{name}: unclear", repr(error)[:300])
                except BaseException as error:
                    wrong.setdefault(f"{name}: {type(error).__name__}", repr(error)[:300])
                finally:
                    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps({"read, refused": counts, "wrong": wrong}, indent=1), file=printed)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
