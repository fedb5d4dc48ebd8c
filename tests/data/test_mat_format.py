"""The arrays of MATLAB's files, against SciPy's reader."""

import struct

import numpy as np
import pytest
import scipy.io

from ssdgm_tf.data import mat_format

GENERATOR = np.random.default_rng(0)
KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"]
SHAPES = [(1, 1), (3, 4), (5, 1), (2, 3, 4), (32, 32, 3, 7), (0, 3), (1, 2, 3, 4, 5, 6)]


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_those_that_scipy_reads(tmp_path, kind, is_packed):
    path = tmp_path / "x.mat"
    arrays = {f"a_{'long_' * i}name": GENERATOR.uniform(0, 100, shape).astype(kind) for i, shape in enumerate(SHAPES)}
    scipy.io.savemat(path, {"text": "text", **arrays, "cells": np.array([1, "a"], object)}, do_compression=is_packed)
    held, expected = mat_format.held(path), scipy.io.loadmat(path)
    assert [name for name in held if held[name].dtype is not None] == list(arrays)
    for name in arrays:
        read = mat_format.read(path, held[name])
        assert read.dtype == np.dtype(kind) and held[name].shape == expected[name].shape
        np.testing.assert_array_equal(read, expected[name])


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_stored_in_fewer_bytes_and_in_either_order(tmp_path, order):
    """As MATLAB stores whole doubles: here as 16 bits, with the name in a small element."""

    def element(kind, content):
        return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)

    values = (np.arange(6) - 2).astype(f"{order}i2")
    name = struct.pack(f"{order}I", 1 << 16 | 1) + b"x\0\0\0"
    parts = element(6, struct.pack(f"{order}II", 6, 0)) + element(5, struct.pack(f"{order}ii", 2, 3)) + name
    content = element(14, parts + element(3, values.tobytes()))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    (tmp_path / "x.mat").write_bytes(head + content)
    held = mat_format.held(tmp_path / "x.mat")
    read = mat_format.read(tmp_path / "x.mat", held["x"])
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, np.array([[-2, 0, 2], [-1, 1, 3]]))
    np.testing.assert_array_equal(read, scipy.io.loadmat(tmp_path / "x.mat")["x"])


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_file_cut_off_anywhere_is_refused_or_lacks_the_array(tmp_path, is_packed):
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"x": GENERATOR.normal(size=(3, 4))}, do_compression=is_packed)
    whole = path.read_bytes()
    for size in range(0, len(whole), 3):
        path.write_bytes(whole[:size])
        try:
            held = mat_format.held(path)
        except (ValueError, struct.error):
            continue
        if "x" in held and held["x"].dtype is not None:
            with pytest.raises(ValueError, match=r"bytes|damaged|incomplete|size"):
                mat_format.read(path, held["x"])
