"""Measures of generated images against closed forms, and against drawn shapes."""

import numpy as np
import pytest

from ssdgm_tf import generation


def bars(width, lean=0.0, height=21, canvas=41):
    """An upright bar of some width; each row is moved to the right by `lean` pixels for each pixel down."""
    image = np.zeros((canvas, canvas))
    for row in range(height):
        left = canvas / 2 - width / 2 + lean * (row - height // 2)
        columns = np.arange(canvas)
        image[row + (canvas - height) // 2] = np.clip(
            np.minimum(columns + 1, left + width) - np.maximum(columns, left), 0, 1
        )
    return image[None]


def test_the_share_is_of_the_likeliest_class():
    probabilities = np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
    assert generation.share_read_as(probabilities, np.array([1, 1, 1, 0])) == 0.75


def test_the_distance_of_gaussians_is_the_closed_form():
    """Features with exact moments: m and C of each set are planted, and C1 and C2 do not commute."""
    rng = np.random.default_rng(0)
    mean, one, two = np.array([1.0, -2.0, 0.5]), np.diag([1.0, 4.0, 0.25]), rng.normal(size=(3, 3))
    two = two @ two.T + np.eye(3)

    def exact(mean, covariance, number):
        values = rng.normal(size=(number, 3))
        values -= values.mean(axis=0)
        whitened = values @ np.linalg.inv(np.linalg.cholesky(np.cov(values, rowvar=False))).T
        return whitened @ np.linalg.cholesky(covariance).T + mean

    eigenvalues = np.linalg.eigvals(one @ two).real
    expected = mean @ mean + np.trace(one) + np.trace(two) - 2 * np.sqrt(eigenvalues).sum()
    found = generation.frechet_distance(exact(0 * mean, one, 60), exact(mean, two, 45))
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_distance_is_symmetric_zero_for_the_same_and_takes_one_feature():
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(50, 4)), 2 + 3 * rng.normal(size=(70, 4))
    assert generation.frechet_distance(one, one[::-1]) == pytest.approx(0, abs=1e-9)
    assert generation.frechet_distance(one, two) == pytest.approx(generation.frechet_distance(two, one))
    line = generation.frechet_distance(one[:, :1], two[:, :1])
    spreads = one[:, 0].std(ddof=1) - two[:, 0].std(ddof=1)
    assert line == pytest.approx((one[:, 0].mean() - two[:, 0].mean()) ** 2 + spreads**2)
    constant = np.ones((9, 4))
    assert generation.frechet_distance(constant, constant) == 0


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 2)), ((5,), (5,))])
def test_features_of_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match=r"Features must be \[N, D\] and \[M, D\], of two examples or more each"):
        generation.frechet_distance(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.25, 0.5])
def test_the_slant_of_a_leaning_bar(lean):
    assert generation.slant(bars(3, lean))[0] == pytest.approx(lean, abs=0.02)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_the_width_of_a_bar(width):
    """A bar of height h has edges of 2 (h + w), but for its corners."""
    found = generation.stroke_width(bars(width, height=33))[0]
    assert found == pytest.approx(33 * width / (33 + width), rel=0.05)


def test_the_size_grows_with_the_image_and_not_with_its_ink():
    small, large = bars(3, height=9), bars(3, height=27)
    assert generation.size(small)[0] == pytest.approx(np.sqrt((9**2 - 1) / 12 + (3**2 - 1) / 12), rel=0.02)
    assert generation.size(large)[0] > 2.5 * generation.size(small)[0]
    for measure in generation.STYLES.values():
        np.testing.assert_allclose(measure(0.3 * large), measure(large), rtol=1e-9, atol=1e-12)


def test_where_an_image_lies_does_not_matter_and_channels_may_be_there():
    image = bars(3, 0.4, height=15)
    moved = np.roll(image, (3, -4), axis=(1, 2))
    for measure in generation.STYLES.values():
        np.testing.assert_allclose(measure(moved), measure(image), atol=1e-9)
        np.testing.assert_allclose(measure(image[..., None]), measure(image))
        assert measure(np.zeros((2, 8, 8))).tolist() == [0, 0]
        with pytest.raises(ValueError, match=r"Images must be grey.*Received: shape \(2, 8, 8, 3\)"):
            measure(np.zeros((2, 8, 8, 3)))


def test_rank_correlations():
    values = np.array([1.0, 5.0, 2.0, 9.0])
    assert generation.rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert generation.rank_correlation(values, -values) == pytest.approx(-1)
    assert generation.rank_correlation(values, np.ones(4)) == 0.0
    with pytest.raises(ValueError, match="two values or more"):
        generation.rank_correlation(values, values[:3])
