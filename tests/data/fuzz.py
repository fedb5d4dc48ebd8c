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
from PIL import Image

from ssdgm_tf import data

_MEMORY, _SECONDS = 2 * 2**30, 5
# What readers are documented to raise; a UserError of the commands holds the message of either.
_CLEAR = (ValueError, FileNotFoundError)


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


def images(folder, generator, suffix):
    for name in ("a", "b"):
        (folder / name).mkdir()
        for i in range(3):
            pixels = generator.integers(0, 256, (6, 5, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.{suffix}")
    return f"a/1.{suffix}", lambda: data.load(f"folder:{folder}", 2, 0)


def streamed(folder, generator, suffix):
    x = generator.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    if suffix == "csv":
        np.savetxt(folder / "f.csv", x.reshape(20, -1), fmt="%d", delimiter=",")
    else:
        np.savez_compressed(folder / "f.npz", x=x)
    return f"f.{suffix}", lambda: list(data.Examples(str(folder / f"f.{suffix}"), (4, 4, 1)).batches(7))


KINDS = {
    "npz": lambda folder, generator: npz(folder, generator, np.savez),
    "npz, compressed": lambda folder, generator: npz(folder, generator, np.savez_compressed),
    "idx": lambda folder, generator: idx(folder, generator, False),
    "idx.gz": lambda folder, generator: idx(folder, generator, True),
    "png": lambda folder, generator: images(folder, generator, "png"),
    "jpg": lambda folder, generator: images(folder, generator, "jpg"),
    "bmp": lambda folder, generator: images(folder, generator, "bmp"),
    "npz to predict": lambda folder, generator: streamed(folder, generator, "npz"),
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
    signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(TimeoutError(f"over {_SECONDS} seconds")))
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
