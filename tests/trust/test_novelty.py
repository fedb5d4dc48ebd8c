"""Novelty against its definition by hand, and whether it tells what it should at the rate that it states."""

import numpy as np
import pytest

from ssdgm_tf.trust.background import Background
from ssdgm_tf.trust.neighbours import Neighbours
from ssdgm_tf.trust.novelty import Novelty
from ssdgm_tf.trust.texture import Texture

# Examples on a bent sheet in 6 dimensions.
SIZE = 6


def sheet(number, seed):
    generator = np.random.default_rng(seed)
    u = generator.uniform(-1, 1, size=(number, 2))
    directions = np.random.default_rng(0).normal(size=(4, SIZE))
    x = np.stack([u[:, 0], u[:, 1], u[:, 0] ** 2, u[:, 0] * u[:, 1]], axis=1) @ directions
    return (x + 0.05 * generator.normal(size=x.shape)).astype(np.float32), u


def score(found, x, statistics):
    parts = zip(np.array_split(x, 20), np.array_split(statistics, 20), strict=True)
    return np.concatenate([found.score(*(part.astype(np.float32) for part in pair)) for pair in parts])


def test_the_background_by_hand():
    known, x = sheet(60, 1)[0].astype(np.float64), sheet(5, 2)[0].astype(np.float64)
    found = Background.of(known)
    center = known.mean(axis=0)
    _, singular, axes = np.linalg.svd(known - center, full_matrices=False)
    explained = np.cumsum(singular**2) / np.sum(singular**2)
    first, second, last = (int(np.sum(explained < share)) + 1 for share in (0.5, 0.8, 0.95))
    assert 0 < first < second < last == len(found.components) < SIZE
    axes, variances, total = axes[:last], singular[:last] ** 2 / 59, np.sum(known.var(axis=0, ddof=1))
    along, known_along = (x - center) @ axes.T, (known - center) @ axes.T
    outside = np.sum((x - center - along @ axes) ** 2, axis=1)

    def fifth(known, values):
        return np.sort(((values[:, None] - known) ** 2).sum(axis=2), axis=1)[:, 4]

    squares = [
        np.mean(along[:, a:b] ** 2 / variances[a:b], axis=1) for a, b in ((0, first), (first, second), (second, last))
    ]
    of_angles = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (known_along, along)]
    squares += [outside / total, fifth(known_along, along) / total, fifth(*of_angles)]
    expected = np.log(np.stack([np.sum(x**2, axis=1) / total, *squares], axis=1))
    np.testing.assert_allclose(found.statistics(x.astype(np.float32)), expected, rtol=1e-3, atol=1e-4)


def test_unlikeness_is_the_distance_of_mahalanobis_to_the_fifth_known_example():
    """Its logarithm, in standard deviations of those of known examples, each without itself."""
    generator = np.random.default_rng(0)
    known, new = (generator.normal(size=(number, 4)) @ generator.normal(size=(4, 4)) for number in (80, 7))
    spread = known.std(axis=0)
    covariance = 0.9 * np.cov(known / spread, rowvar=False) + 0.1 * np.eye(4)
    precision = np.linalg.inv(covariance) / np.outer(spread, spread)

    def logarithms(values, neighbour):
        between = values[:, None] - known
        distances = np.sqrt(np.einsum("abi,ij,abj->ab", between, precision, between))
        return np.log(np.sort(distances, axis=1)[:, neighbour])

    own = logarithms(known, 5)  # the nearest is itself
    expected = (logarithms(new, 4) - own.mean()) / own.std()
    np.testing.assert_allclose(Neighbours.of(known).unlikeness(new.astype(np.float32)), expected, rtol=1e-3, atol=1e-3)


def test_the_examples_are_cut_into_three_parts():
    """The score is the content's; of images, the larger of content and texture."""
    x, u = sheet(200, 3)
    found = Novelty.of(x, u)
    assert len(found.background.coordinates) == len(found.content.known) == 80 and len(found.scores) == 40
    assert found.textures is None and np.all(np.diff(found.scores) >= 0)
    new, v = (values.astype(np.float32) for values in sheet(7, 4))
    content = found.content.unlikeness(np.concatenate([v, found.background.statistics(new)], axis=1))
    np.testing.assert_allclose(found.score(new, v), content)
    images = np.random.default_rng(1).uniform(size=(200, 9 + 2)).astype(np.float32)
    found = Novelty.of(images, u, (3, 3, 1))
    content = found.content.unlikeness(np.concatenate([v, found.background.statistics(images[:7])], axis=1))
    texture = found.textures.unlikeness(found.texture.statistics(images[:7]))
    np.testing.assert_allclose(found.score(images[:7], v), np.maximum(content, texture))
    assert np.any(content > texture) and np.any(texture > content)


def test_examples_that_are_the_same_have_no_distance_that_rounding_makes():
    """Their distance counts as 0.01 standard deviations."""
    known = np.repeat(np.random.default_rng(0).normal(size=(10, 4)) * 100, 10, axis=0)
    found = Neighbours.of(known).unlikeness(known.astype(np.float32))
    np.testing.assert_array_equal(found, found[0])


def test_texture_by_hand():
    images = np.random.default_rng(0).uniform(-1, 3, size=(50, 5, 4, 2)).astype(np.float32)
    found = Texture.of(images.reshape(50, -1), (5, 4, 2))
    low, high = np.quantile(images, [0.001, 0.999])
    v = (images - low) / (high - low)
    inner = v[:, 1:-1, 1:-1]
    curvature = 4 * inner - v[:, 2:, 1:-1] - v[:, :-2, 1:-1] - v[:, 1:-1, 2:] - v[:, 1:-1, :-2]
    differences = [0.004, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9]
    every = [
        (v, np.arange(1, 16) / 16),
        (np.abs(np.diff(v, axis=1)), differences),
        (np.abs(np.diff(v, axis=2)), differences),
        (np.abs(curvature), [0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0]),
    ]
    expected = [
        [np.histogram(image, [-np.inf, *edges, np.inf])[0] / image.size for image in values] for values, edges in every
    ]
    assert found.statistics(images.reshape(50, -1)).shape == (50, 53)
    np.testing.assert_allclose(
        found.statistics(images.reshape(50, -1)), np.sqrt(np.concatenate(expected, axis=1)), atol=1e-3
    )


def test_images_that_are_blurred_are_novel_by_their_texture():
    generator = np.random.default_rng(2)
    images = (generator.uniform(size=(600, 8, 8, 1)) < 0.3).astype(np.float32) * generator.uniform(0.8, 1, (600, 8, 8, 1))
    found = Novelty.of(images[:500].reshape(500, -1), np.zeros((500, 1)), (8, 8, 1))
    blurred = (images + np.roll(images, 1, axis=1)) / 2

    def share(values):
        return np.mean(found.p_value(score(found, values[500:].reshape(100, -1), np.zeros((100, 1)))) <= 0.1)

    assert share(images) < 0.3 and share(blurred) == 1.0


@pytest.mark.parametrize("number", [100, 250])
def test_false_alarms_are_at_the_stated_rate_of_few_examples_too(number):
    """The mean over 40 sets of known examples, none of which a network saw: within 5 standard errors of 0.1."""
    rates = []
    for seed in range(40):
        found = Novelty.of(*sheet(number, 10 + seed))
        rates.append(np.mean(found.p_value(score(found, *sheet(1000, 1000 + seed))) <= 0.1))
    stated = np.floor(0.1 * (number // 5 + 1)) / (number // 5 + 1)
    assert abs(np.mean(rates) - stated) < 5 * np.std(rates) / np.sqrt(40)


@pytest.mark.parametrize("false_alarms", [0.01, 0.05, 0.2])
def test_false_alarms_are_at_the_stated_rate(false_alarms):
    """Within 5 standard errors, those of the threshold among 2,000 and of the share of 20,000: P(failure) < 1e-6."""
    found = Novelty.of(*sheet(10_000, 4))
    share = np.mean(found.p_value(score(found, *sheet(20_000, 5))) <= false_alarms)
    assert abs(share - false_alarms) < 5 * np.sqrt(false_alarms * (1 - false_alarms) * (1 / 2000 + 1 / 20_000))


def test_what_lies_off_the_sheet_is_novel():
    found, (x, u) = Novelty.of(*sheet(2000, 6)), sheet(200, 7)
    off = np.random.default_rng(8).normal(size=x.shape)
    for moved in (3 * x, -x - 3, x + off, off):
        assert np.mean(found.p_value(score(found, moved, u)) <= 0.05) > 0.9
    # Where x says nothing, what the model says does.
    assert np.all(found.p_value(score(found, x, u + 3)) <= 0.05)


@pytest.mark.parametrize(
    "x",
    [np.zeros((100, 3)), np.arange(100.0)[:, None], np.random.default_rng(0).normal(size=(100, 300))],
    ids=["all the same", "one number", "more numbers than examples"],
)
def test_examples_without_a_plane_are_scored(x):
    found = Novelty.of(x, np.zeros((100, 2)))
    scores = score(found, x[:3], np.zeros((3, 2)))
    assert np.all(np.isfinite(scores)) and np.all(np.isfinite(found.scores))


def test_p_values_by_hand():
    """Of B known examples a new one is as likely at each of B + 1 places: exact over all orders."""
    found = Novelty.of(*sheet(100, 9))._replace(scores=np.array([1.0, 2.0, 3.0, 4.0]))
    scores = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 3.0], np.float32)
    np.testing.assert_allclose(found.p_value(scores), np.array([5, 4, 3, 2, 1, 3]) / 5)


def test_what_is_not_finite_is_novel():
    found, (x, u) = Novelty.of(*sheet(100, 9)), sheet(4, 10)
    x[0], x[1, 2], u = 1e20, np.inf, u.astype(np.float32)
    u[2] = -np.inf
    scores = found.score(x, u).numpy()
    assert np.all(np.isinf(scores[:3])) and np.isfinite(scores[3])
    np.testing.assert_allclose(found.p_value(scores)[:3], found.least_rate)


def test_known_examples_that_are_not_finite_are_left_out():
    x, u = sheet(130, 11)
    x[3], u[5, 1], u[7] = np.inf, np.nan, -np.inf
    with pytest.warns(UserWarning, match="3 of 130 known examples"):
        found = Novelty.of(x, u)
    assert np.all(np.isfinite(found.content.known)) and np.all(np.isfinite(found.scores))
    u[:40] = np.nan
    with pytest.warns(UserWarning, match="40 of 130"), pytest.raises(ValueError, match="Received: 90"):
        Novelty.of(x, u)
