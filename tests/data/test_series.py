"""Time series from a file: what is read, what is hidden or pooled, and what is refused."""

import numpy as np
import pytest

from ssdgm_tf import data

LABELS = np.arange(30) % 3


def arrays(**replaced):
    """30 series of 7 times and 2 channels to train on, 9 to test on, 3 classes."""
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.normal(5, 3, (30, 7, 2)),
        "y_train": LABELS,
        "x_test": generator.normal(5, 3, (9, 7, 2)),
        "y_test": LABELS[:9],
    } | replaced


@pytest.fixture
def load(tmp_path):
    """Saves arrays in a file and loads it."""

    def save_and_load(more="", num_labels=0, preprocessing="none", **replaced):
        np.savez(tmp_path / "set.npz", **arrays(**replaced))
        return data.load(f"series:set.npz{more}", num_labels, 0, data_dir=str(tmp_path), preprocessing=preprocessing)

    return save_and_load


def test_series_stay_as_they_are(load):
    dataset = load()
    np.testing.assert_allclose(dataset.x_train, arrays()["x_train"], rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_test, LABELS[:9])
    assert dataset.x_train.dtype == np.float32 and dataset.raw_dtype == "float32" and dataset.noun == "series"
    assert dataset.num_classes == 3 and not dataset.has_gaps


def test_one_channel_needs_no_axis(load):
    x = arrays()["x_train"][..., 0]
    dataset = load(x_train=x, x_test=x[:9])
    assert dataset.x_train.shape == (30, 7, 1)
    np.testing.assert_allclose(dataset.x_train[..., 0], x, rtol=1e-6)


def test_gaps_stay_gaps_and_channels_are_standardised_over_what_is_known(load, capsys):
    x = arrays()["x_train"]
    x[::2, :3, 0] = np.nan
    x[:, :, 1] = 4.0
    dataset = load(preprocessing="auto", x_train=x)
    assert "Series standardised: 2 channels, 1 of them constant" in capsys.readouterr().out
    assert dataset.has_gaps
    np.testing.assert_array_equal(np.isnan(dataset.x_train), np.isnan(x))
    known = dataset.x_train[..., 0][~np.isnan(x[..., 0])]
    np.testing.assert_allclose([known.mean(), known.std()], [0, 1], atol=1e-5)
    np.testing.assert_array_equal(dataset.x_train[..., 1], 0)
    mean, scale = np.nanmean(x[..., 0]), np.nanstd(x[..., 0])
    np.testing.assert_allclose(dataset.x_test[..., 0], (arrays()["x_test"][..., 0] - mean) / scale, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dataset.to_images(dataset.x_train), x, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_digits_that_float32_does_not_hold_are_said(load, capsys, dtype):
    x = (arrays()["x_train"] * 1000 + [0, 1e12]).astype(dtype)
    load(preprocessing="auto", x_train=x, x_test=x[:9])
    assert "Channel 1, about 1e+12, may have digits that float32 does not hold." in capsys.readouterr().out
    data.load("digits", 30, 0)
    load(preprocessing="auto")
    assert "digits that" not in capsys.readouterr().out


def test_pooled_sets_are_split_anew_by_the_seed(load):
    dataset = load(",pooled")
    both = np.concatenate([arrays()["x_train"], arrays()["x_test"]])
    found = np.concatenate([dataset.x_train, dataset.x_test])
    assert len(dataset.x_test) == 6 and np.bincount(dataset.y_test).tolist() == [2, 2, 2]
    np.testing.assert_allclose(np.sort(found.ravel()), np.sort(both.ravel()), rtol=1e-6)


def test_hidden_elements_are_drawn_by_the_seed_and_not_by_the_labels(load):
    dataset, again, whole = load(",hidden=0.4"), load(",hidden=0.4", num_labels=6), load()
    is_hidden = np.isnan(dataset.x_train)
    assert abs(is_hidden.mean() - 0.4) < 0.1 and np.isnan(dataset.x_test).any()
    np.testing.assert_array_equal(is_hidden, np.isnan(again.x_train))
    np.testing.assert_array_equal(dataset.x_train[~is_hidden], whole.x_train[~is_hidden])
    short = load(",hidden=0.9", x_train=arrays()["x_train"][:, :2, :1], x_test=arrays()["x_test"][:, :2, :1])
    assert not np.isnan(short.x_train).all(axis=(1, 2)).any(), "a series of gaps only says nothing"
    both = load(",pooled,hidden=0.4")
    assert abs(np.isnan(both.x_test).mean() - 0.4) < 0.25


BAD = {
    "bytes of text": ({"x_train": np.full((30, 7, 2), "a")}, r"x_train must hold series \[N, T\] or \[N, T, C\] of numbers"),
    "images": (
        {"x_train": np.zeros((30, 7, 2, 1))},
        r"must hold series \[N, T\] or \[N, T, C\] .* Received: x_train \[30, 7",
    ),
    "infinite": ({"x_train": np.full((30, 7, 2), np.inf)}, r"x_train must be finite in float32.*the first at \(0, 0, 0\)"),
    "beyond float32": ({"x_test": np.full((9, 7, 2), 1e39)}, r"x_test must be finite in float32"),
    "all gaps": (
        {"x_test": np.full((9, 7, 2), np.nan)},
        r"An example must have a known element. Received: x_test\[0\] with NaN",
    ),
    "a channel of gaps": (
        {"x_train": np.full((30, 7, 2), [1.0, np.nan])},
        r"A channel must have a known element in training. Received: channel 1 with NaN only",
    ),
    "other length": ({"x_test": np.zeros((9, 6, 2))}, r"same number of times and of channels; a shorter one ends in NaN"),
    "other number of labels": ({"y_train": LABELS[:-1]}, r"y_train"),
    "no label": ({"y_train": np.full(30, -1)}, r"Training needs some labels"),
    "unknown test class": ({"y_test": np.full(9, 3)}, r"Test labels must all be known"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_the_rule(load, name):
    replaced, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        load(**replaced)


def test_bad_series_may_be_dropped(load, tmp_path, capsys):
    x, x_test = arrays()["x_train"], arrays()["x_test"]
    x[4, 2, 1], x[7], x_test[0] = np.inf, np.nan, np.nan
    with pytest.raises(ValueError, match=r"x_train must be finite in float32.* at \(4, 2, 1\)"):
        load(x_train=x)
    np.savez(tmp_path / "bad.npz", **arrays(x_train=x, x_test=x_test))
    dataset = data.load("series:bad.npz", 0, 0, data_dir=str(tmp_path), bad_examples="drop")
    np.testing.assert_array_equal(dataset.x_train, np.delete(x, [4, 7], axis=0).astype(np.float32))
    np.testing.assert_array_equal(dataset.y_train, np.delete(LABELS, [4, 7]))
    assert len(dataset.x_test) == len(dataset.y_test) == 8
    assert "Bad examples dropped: 2 of 30 in x_train, at 4, 7" in capsys.readouterr().out


@pytest.mark.parametrize("more", [",hidden=2", ",hidden", ",other", ",hidden=0.3,pooled", ",set.npz"])
def test_other_forms_of_name_are_refused(load, more):
    with pytest.raises(ValueError, match=r"Series must be series:FILE, then perhaps ',pooled'.* Received: 'series:set.npz"):
        load(more)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"series:FILE must name a file.* Received: no file .*none\.npz"):
        data.require("series:none.npz,pooled", data_dir=str(tmp_path))


def test_whitening_takes_no_gaps(load):
    with pytest.raises(ValueError, match="takes series without gaps; 'standardize' takes gaps"):
        load(",hidden=0.3", preprocessing="pca:3")
    assert load(preprocessing="pca:3").x_train.shape == (30, 3)


def test_interpolation_is_linear_in_time():
    x = np.array([[[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan], [np.nan, 4.0], [8.0, np.nan]]], np.float32)
    x = np.concatenate([x, np.full_like(x, np.nan)])
    filled = data.interpolated(x)
    np.testing.assert_allclose(filled[0].T, [[2, 2, 4, 6, 8], [1, 2, 3, 4, 4]], rtol=1e-6)
    np.testing.assert_array_equal(filled[1], 0)
