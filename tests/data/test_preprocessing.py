import numpy as np
import pytest

from ssdgm_tf import data, rows
from ssdgm_tf.data import preprocessing


@pytest.fixture(scope="module")
def images():
    """500 images [4, 3, 2] whose pixels hang together, with variances over three orders of magnitude."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(24, 24)) * np.logspace(0, -1.5, 24)
    x = generator.normal(size=(500, 24)) @ mixing.T
    return (0.5 + 0.02 * x).astype(np.float32).reshape(500, 4, 3, 2)


def by_hand(images):
    """Mean, eigenvalues (falling) and eigenvectors (columns) of the covariance."""
    rows = images.reshape(len(images), -1).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / (len(rows) - 1))
    return centred, values[::-1], vectors[:, ::-1]


def test_zca_is_the_inverse_root_of_the_covariance(images):
    centred, values, vectors = by_hand(images)
    expected = centred @ (vectors / np.sqrt(values)) @ vectors.T
    actual = data.fit_preprocessing("zca", images).transform(images)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected.reshape(images.shape), atol=1e-3)


def test_pca_is_the_leading_eigenvectors_at_unit_variance(images):
    centred, values, vectors = by_hand(images)
    expected = centred @ (vectors / np.sqrt(values))[:, :5]
    actual = data.fit_preprocessing("pca:5", images).transform(images)
    assert actual.shape == (500, 5) and actual.dtype == np.float32
    np.testing.assert_allclose(np.abs(actual), np.abs(expected), atol=1e-4)  # an eigenvector's sign is free
    signs = np.sign(np.sum(actual * expected, axis=0))
    np.testing.assert_allclose(actual * signs, expected, atol=1e-4)


@pytest.mark.parametrize(("spec", "size"), [("zca", 24), ("pca:24", 24), ("pca:7", 7)])
def test_the_covariance_is_the_identity(spec, size, images):
    z = data.fit_preprocessing(spec, images).transform(images).reshape(500, -1)
    np.testing.assert_allclose(np.cov(z.T), np.eye(size), atol=2e-4)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=2e-3)  # in units of a standard deviation


@pytest.mark.parametrize("spec", ["zca", "pca:24"])
def test_the_inverse_gives_the_images_back(spec, images):
    fitted = data.fit_preprocessing(spec, images[:400])
    np.testing.assert_allclose(fitted.inverse(fitted.transform(images)), images, atol=1e-5)  # 100 not fitted on, too


def test_the_inverse_of_fewer_components_is_the_projection(images):
    centred, _, vectors = by_hand(images)
    projected = centred @ vectors[:, :6] @ vectors[:, :6].T + images.reshape(500, -1).mean(axis=0)
    fitted = data.fit_preprocessing("pca:6", images)
    np.testing.assert_allclose(fitted.inverse(fitted.transform(images)), projected.reshape(images.shape), atol=1e-5)


@pytest.mark.parametrize("spec", ["zca", "pca:3"])
def test_leading_axes_are_kept(spec, images):
    fitted = data.fit_preprocessing(spec, images)
    grid = images[:6].reshape(2, 3, 4, 3, 2)
    z = fitted.transform(grid)
    assert z.shape == (2, 3, *fitted.output_shape) and fitted.inverse(z).shape == grid.shape
    np.testing.assert_allclose(z.reshape(6, *fitted.output_shape), fitted.transform(images[:6]), atol=1e-4)
    np.testing.assert_allclose(z[1, 2], fitted.transform(images[5]), atol=1e-4)
    assert fitted.transform(images[:0]).shape == (0, *fitted.output_shape)


def test_pixels_that_never_vary_are_left_out_and_come_back():
    """The digits have corner pixels that are always 0: whitening must not divide by their variance."""
    x = data.load_digits(30, 0).x_train
    fitted = data.fit_preprocessing("zca", x)
    z = fitted.transform(x)
    eigenvalues = np.linalg.eigvalsh(np.cov(z.reshape(len(z), -1).T))
    rank = np.linalg.matrix_rank(x.reshape(len(x), -1).astype(np.float64) - x.reshape(len(x), -1).mean(axis=0), tol=1e-4)
    assert len(fitted.scale) == rank < 64
    np.testing.assert_allclose(eigenvalues, [0] * (64 - rank) + [1] * rank, atol=1e-3)
    np.testing.assert_allclose(fitted.inverse(z), x, atol=1e-5)


def test_small_variances_under_a_large_mean_are_resolved():
    """In float32 the summed squares would lose them: variances from 1e-2 to 1e-9 around 0.9."""
    generator = np.random.default_rng(0)
    x = (0.9 + generator.normal(size=(3000, 8)) * np.logspace(-1, -4.5, 8)).astype(np.float32)
    z = data.fit_preprocessing("pca:8", x).transform(x)
    np.testing.assert_allclose(np.cov(z.T), np.eye(8), atol=5e-3)


def test_vectors_are_whitened_too(images):
    rows = images.reshape(500, 24)
    vectors = data.fit_preprocessing("zca", rows).transform(rows)
    np.testing.assert_allclose(vectors, data.fit_preprocessing("zca", images).transform(images).reshape(500, 24), atol=1e-4)


def test_large_sets_are_fitted_on_evenly_spaced_rows(images, monkeypatch):
    monkeypatch.setattr(preprocessing, "MAX_ROWS", 100)
    fitted = data.fit_preprocessing("zca", images)
    monkeypatch.undo()
    rows = data.fit_preprocessing("zca", images[np.linspace(0, 499, 100).astype(int)])
    np.testing.assert_array_equal(fitted.transform(images), rows.transform(images))


@pytest.fixture(scope="module")
def vectors():
    """700 vectors of means and scales over many orders of magnitude; columns 2 and 5 are constant."""
    generator = np.random.default_rng(0)
    x = generator.gamma(2.0, size=(700, 6)) * [1, 1e-6, 0, 1e6, 30, 0] + [0, 0, 0.1, -1e6, 1e4, 1e9]
    return x.astype(np.float32)


@pytest.mark.parametrize("spec", ["standardize", "auto"])
def test_standardised_columns_have_mean_0_and_deviation_1(spec, vectors):
    fitted = data.fit_preprocessing(spec, vectors)
    z = fitted.transform(vectors)
    assert isinstance(fitted, data.Standardization) and z.dtype == np.float32 and fitted.output_shape == (6,)
    exact = vectors.astype(np.float64)
    deviations = np.where(exact.std(axis=0) > 1e-9 * np.abs(exact.mean(axis=0)), exact.std(axis=0), 1)
    np.testing.assert_allclose(z, (exact - exact.mean(axis=0)) / deviations, atol=2e-3)
    assert (z[:, [2, 5]] == 0).all(), "constant columns are only centred"
    np.testing.assert_allclose(fitted.inverse(z), vectors, rtol=2e-5)
    grid = np.stack([vectors[:4], vectors[4:8]])
    np.testing.assert_array_equal(fitted.transform(grid).reshape(8, 6), z[:8])


def test_a_constant_column_keeps_its_unit(vectors):
    moved = vectors[:1] + np.float32([0, 0, 3, 0, 0, 0])
    z = data.fit_preprocessing("standardize", vectors).transform(moved)
    assert z[0, 2] == pytest.approx(3)


@pytest.mark.parametrize("factor", [16.0, 255.0, 1e-5])
def test_vectors_of_any_scale_become_the_same_numbers(factor):
    x = data.load_digits(30, 0).x_train.reshape(-1, 64)
    expected, actual = (data.fit_preprocessing("auto", x).transform(x) for x in (x, np.float32(factor) * x))
    np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("num_rows", [100, 699, 700])
def test_moments_are_those_of_all_rows(num_rows, vectors, monkeypatch):
    whole = data.fit_preprocessing("standardize", vectors)
    monkeypatch.setattr(rows, "_BLOCK_BYTES", vectors[:num_rows].nbytes)
    parts = data.fit_preprocessing("standardize", vectors)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)


def test_deviations_below_the_numbers_of_tensorflow_count_as_none():
    """It takes subnormal numbers for 0: a column would become infinite."""
    x = np.array([[1e-42, 1.0], [0.0, 2.0]], np.float32)
    np.testing.assert_array_equal(data.fit_preprocessing("standardize", x).scale, [1, 0.5])


def test_images_are_not_standardised(images):
    assert data.fit_preprocessing("auto", images) is None
    with pytest.raises(
        ValueError, match=r"takes vectors \[N, D\] or series \[N, T, C\]; .* Received: examples of shape \[4, 3, 2\]"
    ):
        data.fit_preprocessing("standardize", images)


@pytest.mark.parametrize("spec", ["standardize", "pca:3", "zca"])
def test_a_map_comes_back_from_its_arrays(spec, vectors):
    fitted = data.fit_preprocessing(spec, vectors)
    again = preprocessing.restore(fitted.arrays, fitted.shape)
    assert type(again) is type(fitted) and again.output_shape == fitted.output_shape
    np.testing.assert_array_equal(again.transform(vectors), fitted.transform(vectors))
    assert preprocessing.restore({"shape": np.array([6])}, (6,)) is None


def test_none_is_none(images):
    assert data.fit_preprocessing("none", images) is None


@pytest.mark.parametrize(("spec", "same"), [("auto", "none"), ("none", "none"), ("zca", "zca"), ("pca:3", "pca:3")])
def test_what_a_spec_does_to_images(spec, same, images):
    assert data.of_images(spec) == same
    fitted, other = (data.fit_preprocessing(each, images) for each in (spec, same))
    assert type(fitted) is type(other)


@pytest.mark.parametrize(
    "spec", ["", "standardise", "Auto", "pca", "pca:", "pca:0", "pca:-3", "pca:2.5", "pca:5 ", "PCA:5", "zca:3", None]
)
def test_a_bad_spec_states_the_rule(spec, images):
    for function in (data.parse_preprocessing, lambda spec: data.fit_preprocessing(spec, images)):
        with pytest.raises(
            ValueError, match=rf"must be 'auto', 'none', 'standardize', 'zca' or 'pca:D' .* Received: {spec!r}"
        ):
            function(spec)


@pytest.mark.parametrize(("spec", "number", "directions"), [("pca:25", 500, 24), ("pca:10", 10, 9), ("zca", 1, 0)])
def test_more_dimensions_than_there_are_is_refused(spec, number, directions, images):
    with pytest.raises(ValueError, match=rf"Received: {number} images that vary in {directions}$"):
        data.fit_preprocessing(spec, images[:number])


def test_equal_images_are_refused():
    with pytest.raises(ValueError, match=r"Received: 5 images that vary in 0$"):
        data.fit_preprocessing("zca", np.full((5, 2, 2, 1), 0.3, np.float32))


def test_another_shape_is_refused(images):
    fitted = data.fit_preprocessing("pca:3", images)
    with pytest.raises(ValueError, match=r"shape \[..., 4, 3, 2\]. Received: \[500, 24\]"):
        fitted.transform(images.reshape(500, 24))
    with pytest.raises(ValueError, match=r"shape \[..., 3\]. Received: \[500, 4, 3, 2\]"):
        fitted.inverse(images)
