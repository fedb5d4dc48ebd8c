"""One table of inputs: every part of the package that takes arrays accepts and refuses the same ones."""

import numpy as np
import pytest

from ssdgm_tf import checks, nodes
from ssdgm_tf.baselines import Baseline
from ssdgm_tf.data import assembly
from ssdgm_tf.models.data_format import DataFormat

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, -1, -1, 0, 1])


class Recorder(Baseline):
    """Keeps what a baseline is given to learn from."""

    def _fit(self, x, y):
        self.seen = x, y


def by_checks(x, y):
    x = checks.examples("x", x)
    return x, checks.labels("y", y, len(x))


def by_baseline(x, y):
    return Recorder().fit(x, y).seen


def by_data(x, y):
    whole = X.astype(np.float32), np.where(Y < 0, 0, Y)
    return assembly.check_arrays((x, y), whole, ("x", "y", "x_test", "y_test"))[0]


def by_model(x, y):
    taken = DataFormat({"x": nodes.Normal(2).head}, {"y": nodes.OneHotCategorical(2).head})
    x = taken.x(x)["x"]
    return x, taken.y(y, len(x))["y"]


USERS = {"checks": by_checks, "baselines": by_baseline, "data": by_data, "models": by_model}
KINDS = [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint16, bool]

ACCEPTED = {
    **{f"examples of {np.dtype(kind)}": (X.astype(kind), Y) for kind in KINDS},
    **{
        f"labels of {np.dtype(kind)}": (X, Y.astype(kind))
        for kind in (np.int8, np.int64, np.float16, np.float32, np.float64)
    },
    "labels of uint8": (X, np.where(Y < 0, 0, Y).astype(np.uint8)),
    "labels in a column": (X, Y[:, None]),
    "labels in a column of floats": (X, Y[:, None].astype(float)),
}

REFUSED = {
    "no example": (X[:0], Y[:0], r"x must hold at least one example, shape \[N, \.\.\.\]\. Received: x of shape \(0, 2\)"),
    "examples without values": (X[:, :0], Y, r"at least one example.*Received: x of shape \(6, 0\)"),
    "examples [N]": (X[:, 0], Y, r"shape \[N, \.\.\.\]\. Received: x of shape \(6,\)"),
    "text": (X.astype(str), Y, "x must be numeric. Received: x of dtype <U"),
    "objects": (X.astype(object), Y, "x must be numeric. Received: x of dtype object"),
    "complex": (X.astype(complex), Y, "x must be numeric. Received: x of dtype complex128"),
    "NaN": (
        np.where(X == 3, np.nan, X),
        Y,
        r"finite in float32\. Received: 1 NaN or infinite values, the first at \(1, 1\)",
    ),
    "infinite": (np.where(X > 9, -np.inf, X), Y, r"finite in float32\. Received: 2 NaN or infinite .* first at \(5, 0\)"),
    "beyond float32": (
        np.where(X == 0, 1e300, X),
        Y,
        r"finite in float32\. Received: 1 NaN or infinite .* first at \(0, 0\)",
    ),
    "too few labels": (X, Y[:5], r"y must hold one label per example, shape \(6,\)\. Received: y of shape \(5,\)"),
    "too many labels": (X, np.r_[Y, 0], r"one label per example, shape \(6,\)\. Received: y of shape \(7,\)"),
    "one-hot labels": (X, np.eye(2)[Y], r"one label per example, shape \(6,\)\. Received: y of shape \(6, 2\)"),
    "a row of labels": (X, Y[None], r"one label per example, shape \(6,\)\. Received: y of shape \(1, 6\)"),
    "label 0.5": (X, Y + 0.5, r"Labels must be integers\. Received: y of dtype float64 with 0.5 at index 0"),
    "label NaN": (X, np.where(Y < 0, np.nan, Y), r"must be integers\. Received: y of dtype float64 with nan at index 2"),
    "label infinity": (
        X,
        np.where(Y < 0, np.inf, Y),
        r"must be integers\. Received: y of dtype float64 with inf at index 2",
    ),
    "labels of text": (X, Y.astype(str), "Labels must be integers. Received: y of dtype <U"),
    "labels of booleans": (X, Y > 0, "Labels must be integers. Received: y of dtype bool"),
    "label -2": (X, np.where(Y < 0, -2, Y), r"Labels of y must lie in 0\.\.\d+, or be -1 for no label\. Received: \[-2\]"),
    "label -2.0": (X, np.where(Y < 0, -2.0, Y), r"Labels of y must lie in .* Received: \[-2\.0\]"),
    "label 2^31": (X, np.where(Y < 0, 2**31, Y), r"Labels of y must lie in 0\.\.\d+, .* Received: \[2147483648\]"),
    "label 2^31 of float32": (X, np.where(Y < 0, 2.0**31, Y).astype(np.float32), r"Received: \[2147483648\.0\]"),
    "label 2^63": (X, np.where(Y < 0, np.uint64(2**63), Y.astype(np.uint64)), r"Received: \[9223372036854775808\]"),
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("case", ACCEPTED)
def test_all_accept(case, user):
    x, y = ACCEPTED[case]
    got_x, got_y = USERS[user](x, y)
    assert got_x.dtype == np.float32 and got_y.dtype == np.int32
    np.testing.assert_array_equal(got_x, x)
    np.testing.assert_array_equal(got_y, np.ravel(y))


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("case", REFUSED)
def test_all_refuse_in_the_same_words(case, user):
    x, y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        USERS[user](x, y)


def test_the_shape_of_an_example():
    x = np.zeros((6, 2, 3))
    assert checks.examples("x", x, (2, 3)).shape == (6, 2, 3)
    with pytest.raises(ValueError, match=r"x must have the shape \(3, 2\) per example\. Received: x of shape \(6, 2, 3\)"):
        checks.examples("x", x, (3, 2))


def test_the_range_of_labels():
    np.testing.assert_array_equal(checks.labels("y", [0, 2, -1], 3, num_classes=3), [0, 2, -1])
    with pytest.raises(ValueError, match=r"Labels of y must lie in 0\.\.1, or be -1 for no label\. Received: \[2, 3\]"):
        checks.labels("y", [3, 2, -1, 3], 4, num_classes=2)
    with pytest.raises(ValueError, match=r"Labels of y must lie in 0\.\.2\. Received: \[-1\]"):
        checks.labels("y", [0, 2, -1], 3, num_classes=3, missing=False)


def test_labels_are_copied_and_float32_examples_are_not():
    x, y = X.astype(np.float32), Y.astype(np.int32)
    assert checks.examples("x", x) is x
    assert checks.labels("y", y, 6) is not y


def test_finite_takes_any_shape():
    assert checks.finite("x", []).shape == (0,)
    assert checks.finite("x", 3).dtype == np.float32
    with pytest.raises(
        ValueError, match=r"x must be finite in float32\. Received: 1 NaN or infinite values, the first at \(\)"
    ):
        checks.finite("x", np.nan)
