"""One table of inputs: every part of the package that takes arrays accepts and refuses the same ones."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from tensorflow_probability import distributions as tfd

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
    return assembly.check_arrays((checks.as_array("x", x), y), whole, ("x", "y", "x_test", "y_test"))[0]


def by_model(x, y):
    taken = DataFormat({"x": nodes.Normal(2).head}, {"y": nodes.OneHotCategorical(2).head})
    x = taken.x(x)["x"]
    return x, taken.y(y, len(x))["y"]


def by_dependent(x, y):
    full = nodes.Distribution(2, 2, lambda loc: tfd.MultivariateNormalTriL(loc, tf.eye(2)))
    return DataFormat({"x": full.head}, {}).x(x)["x"], checks.labels("y", y)


USERS = {"checks": by_checks, "baselines": by_baseline, "data": by_data, "models": by_model}
NO_GAPS = {"checks": by_checks, "baselines": by_baseline, "data": by_data, "models of dependent elements": by_dependent}
KINDS = [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint16, bool]

ACCEPTED = {
    **{f"examples of {np.dtype(kind)}": (X.astype(kind), Y) for kind in KINDS},
    **{
        f"labels of {np.dtype(kind)}": (X, Y.astype(kind))
        for kind in (np.int8, np.int64, np.float16, np.float32, np.float64)
    },
    "examples of objects": (X.astype(object), Y),
    "a list": (X.tolist(), Y),
    "a sparse matrix": (scipy.sparse.csr_matrix(X), Y),
    "nothing masked": (np.ma.array(X), Y),
    "labels of uint8": (X, np.where(Y < 0, 0, Y).astype(np.uint8)),
    "labels in a column": (X, Y[:, None]),
    "labels in a column of floats": (X, Y[:, None].astype(float)),
}

NA = type("NAType", (), {})()  # as pandas has it


def with_gaps(missing, dtype=object):
    return np.array([missing if label < 0 else label for label in Y.tolist()], dtype)


#: Labels of which some are missing, each in its own way.
GAPS = {
    "NaN": with_gaps(np.nan, float),
    "NaN in a column": with_gaps(np.nan, float)[:, None],
    "NaN in float32": with_gaps(np.nan, np.float32),
    "None": with_gaps(None),
    "None among floats": np.array([0.0, 1.0, None, None, 0.0, 1.0]),
    "a list with None": with_gaps(None).tolist(),
    "NaN among objects": with_gaps(np.nan),
    "NA of pandas": with_gaps(NA),
    "masked": np.ma.masked_less(Y, 0),
    "masked floats": np.ma.masked_less(Y.astype(float), 0),
}

#: Examples with an element missing, each in its own way.
MISSING_ELEMENTS = {
    "None": np.where(X == 3, None, X),
    "masked": np.ma.array(X, mask=X == 3),
    "NaN": np.where(X == 3, np.nan, X),
}

REFUSED = {
    "no example": (X[:0], Y[:0], r"x must hold at least one example, shape \[N, \.\.\.\]\. Received: x of shape \(0, 2\)"),
    "examples without values": (X[:, :0], Y, r"at least one example.*Received: x of shape \(6, 0\)"),
    "examples [N]": (X[:, 0], Y, r"shape \[N, \.\.\.\], a row for each example\. Received: x of shape \(6,\)"),
    "rows of two lengths": ([[1, 2], [3]] * 3, Y, r"x must be an array, of rows of one length\. Received: a list"),
    "a generator": ((row for row in X), Y, r"x must be an array\. Received: a generator"),
    "text": (X.astype(str), Y, "x must be numeric. Received: x of dtype <U"),
    "objects": (X.astype(str).astype(object), Y, "x must be numeric. Received: '0.0', a str"),
    "complex": (X.astype(complex), Y, "x must be numeric. Received: x of dtype complex128"),
    "infinite": (np.where(X > 9, -np.inf, X), Y, r"finite in float32\. Received: NaN or infinite .* first at \(5, 0\)"),
    "beyond float32": (
        np.where(X == 0, 1e300, X),
        Y,
        r"finite in float32\. Received: NaN or infinite .* first at \(0, 0\)",
    ),
    "too few labels": (X, Y[:5], r"y must hold one label per example, shape \(6,\)\. Received: y of shape \(5,\)"),
    "too many labels": (X, np.r_[Y, 0], r"one label per example, shape \(6,\)\. Received: y of shape \(7,\)"),
    "one-hot labels": (
        X,
        np.eye(2)[Y],
        r"one label per example, shape \(6,\)\. Received: y of shape \(6, 2\), one-hot: pass np.argmax\(y, axis=1\)",
    ),
    "one-hot labels with gaps": (
        X,
        np.eye(3)[Y][:, :2],
        r"one-hot with rows of 0: pass np.where\(y.any\(axis=1\), np.argm.*, -1\)",
    ),
    "two labels per example": (X, np.stack([Y, Y], 1), r"shape \(6,\)\. Received: y of shape \(6, 2\)$"),
    "a row of labels": (X, Y[None], r"one label per example, shape \(6,\)\. Received: y of shape \(1, 6\)"),
    "label 0.5": (X, Y + 0.5, r"Labels must be integers\. Received: y of dtype float64 with 0.5 at index 0"),
    "label infinity": (
        X,
        np.where(Y < 0, np.inf, Y),
        r"must be integers\. Received: y of dtype float64 with inf at index 2",
    ),
    "labels of text": (
        X,
        Y.astype(str),
        "Labels must be integers. Received: y of dtype <U.*folder: and csv: may have names",
    ),
    "labels of bytes of text": (X, Y.astype("S"), r"Labels must be integers. Received: y of dtype \|S\d+, text such as"),
    "text among objects": (X, with_gaps("cat"), "Received: y of dtype object, text such as 'cat'. Number the classes"),
    "lists among objects": (
        X,
        with_gaps([1, 2]),
        "Labels must be integers. Received: y of dtype object with a list at index 2",
    ),
    "truth among objects": (X, with_gaps(True), "Labels must be integers. Received: .* with a bool at index 2"),
    "label 0.5 among objects": (X, with_gaps(0.5), "Labels must be integers. Received: .* with 0.5 at index 2"),
    "a huge label among objects": (X, with_gaps(10**400), "Labels must be integers. Received: .* with inf at index 2"),
    "labels of booleans": (X, Y > 0, "Labels must be integers. Received: y of dtype bool"),
    "label -2": (X, np.where(Y < 0, -2, Y), r"Labels of y must lie in 0.*, or be -1 for no label\. Received: \[-2\]"),
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
    assert got_x.dtype == np.float32 or user == "models"  # which converts in the step
    assert got_y.dtype == np.int32
    np.testing.assert_array_equal(got_x, checks.as_array("x", x))
    np.testing.assert_array_equal(got_y, np.ravel(y))


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("case", REFUSED)
def test_all_refuse_in_the_same_words(case, user):
    x, y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        USERS[user](x, y)


@pytest.mark.parametrize("user", NO_GAPS)
@pytest.mark.parametrize("case", MISSING_ELEMENTS)
def test_a_missing_element_is_refused_where_it_has_no_meaning(case, user):
    with pytest.raises(ValueError, match=r"finite in float32\. Received: NaN or infinite values, the first at \(1, 1\)"):
        NO_GAPS[user](MISSING_ELEMENTS[case], Y)


@pytest.mark.parametrize("case", MISSING_ELEMENTS)
def test_a_missing_element_is_a_gap_to_models(case):
    np.testing.assert_array_equal(by_model(MISSING_ELEMENTS[case], Y)[0], np.where(X == 3, np.nan, X))


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("case", GAPS)
def test_a_gap_is_no_label(case, user):
    np.testing.assert_array_equal(USERS[user](X, GAPS[case])[1], Y)


def test_a_gap_is_refused_where_every_label_must_be_known():
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1\. Received: \[nan\], the first at index 1"):
        checks.labels("y", [0, np.nan, 1], 3, num_classes=2, missing=False)


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
    checks.finite("x", np.array([]))
    with pytest.raises(
        ValueError, match=r"x must be finite in float32\. Received: NaN or infinite values, the first at \(\)"
    ):
        checks.finite("x", np.array(np.nan))
    with pytest.raises(ValueError, match=r"the first at \(12, 1\)"):
        checks.finite("x", np.array([[0, 1], [0, np.inf]]), first=11)


def test_numbers_keep_what_a_step_can_convert():
    for kind in KINDS:
        expected = np.float32 if np.dtype(kind).kind == "f" else kind
        assert checks.numbers("x", X.astype(kind)).dtype == expected
    x = X.astype(np.uint8)
    assert checks.numbers("x", x) is x
