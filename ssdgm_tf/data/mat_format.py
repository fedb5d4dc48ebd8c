"""Numeric arrays of MATLAB's files of versions 5 to 7.

SciPy reads them too, but its compiled reader ends the process on some damaged files. The format: a header of 128 bytes, then
elements: a type, a size, and so many bytes. An array is an element of type 14, or of type 15, which holds such an element
compressed. In it are its flags, sizes, name and values, each an element again.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_FILE_HEADER, _MATRIX, _COMPRESSED = 128, 14, 15
# More than the header of any array: its sizes, and a name of at most 63 letters.
_ARRAY_HEADER = 4096
_LOGICAL, _COMPLEX = 0x200, 0x800
# {code of a class: its name}, and {code: dtype} of the values that files hold and of the classes of numbers.
_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "object"}
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}


class Held(NamedTuple):
    """An array in a file.

    Attributes:
        shape: its shape.
        dtype: its dtype as NumPy has it; None for what is no array of real numbers.
        kind: its class in MATLAB, in words.
        num_bytes: the size of its values in the file, unpacked.
        start: where its element begins in the file, after its tag.
        size: the size of the element in the file.
        is_packed: whether the element is compressed.
        values: where the values begin in the unpacked element.
        stored: dtype of the values in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype | None
    kind: str
    num_bytes: int
    start: int
    size: int
    is_packed: bool
    values: int
    stored: np.dtype | None


def held(file: Path) -> dict[str, Held]:
    """The arrays of a file, {name: array}. Reads their headers only.

    Args:
        file: the file.

    Raises:
        ValueError: a file of another format, or a damaged one.
    """
    found: dict[str, Held] = {}
    with file.open("rb") as stream:
        head = stream.read(_FILE_HEADER)
        order = {b"IM": "<", b"MI": ">"}.get(head[-2:], "") if len(head) == _FILE_HEADER else ""
        if not order:
            raise ValueError("no header of versions 5 to 7")
        while len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            start = stream.tell()
            if kind in (_MATRIX, _COMPRESSED):
                content = stream.read(min(size, _ARRAY_HEADER))
                name, array = _header(content, order, start, size, kind == _COMPRESSED)
                found.setdefault(name, array)
            stream.seek(start + size)
    return found


def read(file: Path, array: Held) -> np.ndarray:
    """The values of an array.

    Args:
        file: the file.
        array: one that `held` gave, with a dtype.

    Raises:
        ValueError: a damaged file.
    """
    with file.open("rb") as stream:
        stream.seek(array.start)
        content = stream.read(array.size)
    if len(content) != array.size:
        raise ValueError(f"{len(content)} of {array.size} bytes")
    if array.is_packed:
        content = _unpacked(content, array.values + array.num_bytes)
    stored = np.dtype(array.stored)
    if array.num_bytes != math.prod(array.shape) * stored.itemsize or len(content) < array.values + array.num_bytes:
        raise ValueError(f"{array.num_bytes} bytes of values of shape {list(array.shape)}")
    values = np.frombuffer(content, stored, math.prod(array.shape), array.values)
    return values.reshape(array.shape, order="F").astype(array.dtype, copy=False)


def _header(content: bytes, order: str, start: int, size: int, is_packed: bool) -> tuple[str, Held]:
    """The name and the description of an array, from the first bytes of its element."""
    if is_packed:
        content = _decompressed(zlib.decompressobj(), content, _ARRAY_HEADER)
    at = 8 if is_packed else 0  # an element that is packed has its tag with it
    parts = list(_parts(content, order, at))
    if len(parts) < 3:
        raise ValueError("an array without flags, sizes and name")
    flags = struct.unpack_from(f"{order}I", content, parts[0].at)[0]
    shape = struct.unpack_from(f"{order}{parts[1].size // 4}i", content, parts[1].at)
    name = content[parts[2].at : parts[2].at + parts[2].size].decode("utf-8", "replace")
    number, code = _NUMBERS.get(flags & 0xFF), flags & 0xFF
    values = parts[3] if len(parts) > 3 else _Part(0, len(content), 0)
    stored = _STORED.get(values.type)
    is_number = number is not None and stored is not None and not flags & _COMPLEX and min(shape, default=0) >= 0
    kind = "complex" if flags & _COMPLEX else _CLASSES.get(code, f"{code}, with values of type {values.type}")
    dtype = np.dtype(bool if flags & _LOGICAL else number) if is_number else None
    stored_dtype = np.dtype(f"{order}{stored}") if is_number else None
    return name, Held(shape, dtype, kind, values.size, start, size, is_packed, values.at, stored_dtype)


class _Part(NamedTuple):
    """An element in an array: its type, and where its bytes begin and how many there are."""

    type: int
    at: int
    size: int


def _parts(content: bytes, order: str, at: int) -> Iterator[_Part]:
    """The first four elements of an array: flags, sizes, name, values; fewer where there are no more."""
    for _ in range(4):
        if len(content) < at + 8:
            return
        first, size = struct.unpack_from(f"{order}II", content, at)
        if first >> 16:  # a small one: its size is in the upper half of its type, its bytes follow at once
            yield _Part(first & 0xFFFF, at + 4, first >> 16)
            at += 8
        else:
            yield _Part(first, at + 8, size)
            at += 8 + -(-size // 8) * 8


def _unpacked(content: bytes, size: int) -> bytes:
    """A compressed element, which must end soon after `size` bytes: its check sum is then known to be right."""
    unpacking = zlib.decompressobj()
    made = _decompressed(unpacking, content, size + _ARRAY_HEADER)
    if not unpacking.eof:
        raise ValueError("a compressed array that is damaged")
    return made


def _decompressed(unpacking: "zlib._Decompress", content: bytes, at_most: int) -> bytes:
    try:
        return unpacking.decompress(content, at_most)
    except zlib.error as error:
        raise ValueError(str(error)) from error
