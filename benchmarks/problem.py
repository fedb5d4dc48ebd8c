"""The problem that every implementation solves: sizes, data, weights, noise and the explicit loss. NumPy only."""

from typing import NamedTuple

import numpy as np

PIXELS, CLASSES, LATENT, HIDDEN = 784, 10, 50, (600, 600)
#: Weight of log q(y|x) of a labelled example; the means of both streams have equal weight.
CLASSIFICATION_WEIGHT = 60.0
LEARNING_RATE = 3e-4
#: Offset before softplus, so that a raw scale of 0 becomes about 1, and the smallest scale.
SCALE_OFFSET, SCALE_MINIMUM = 0.5413, 1e-4


class Problem(NamedTuple):
    """The data and the initial weights of one step.

    Attributes:
        x_unlabelled: pixels, [U, 784].
        x_labelled: pixels, [L, 784].
        y: labels, int [L].
        weights: {"W_..." or "b_...": array}; see `make` for the names of the layers.
        noise_unlabelled: standard normal, [10, U, 50]: one draw for every class of an image.
        noise_labelled: standard normal, [L, 50].
    """

    x_unlabelled: np.ndarray
    x_labelled: np.ndarray
    y: np.ndarray
    weights: dict[str, np.ndarray]
    noise_unlabelled: np.ndarray
    noise_labelled: np.ndarray


def make(num_unlabelled: int, num_labelled: int, seed: int = 0) -> Problem:
    """A problem: images as sparse as digits, Glorot weights.

    q(y|x): y0, y1, y2. q(z|x,y): zx and zy into the first layer, z1, z2 (loc and raw scale). p(x|y,z): xy and xz, x1, x2.
    """
    rng = np.random.default_rng(seed)
    h1, h2 = HIDDEN
    sizes = {"y0": (PIXELS, h1), "y1": (h1, h2), "y2": (h2, CLASSES)}
    sizes |= {"zx": (PIXELS, h1), "zy": (CLASSES, h1), "z1": (h1, h2), "z2": (h2, 2 * LATENT)}
    sizes |= {"xy": (CLASSES, h1), "xz": (LATENT, h1), "x1": (h1, h2), "x2": (h2, PIXELS)}
    weights = {}
    for name, (rows, columns) in sizes.items():
        limit = np.sqrt(6 / (rows + columns))
        weights[f"W_{name}"] = rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)
        if name not in ("zy", "xz"):  # only one of two maps that are added has a bias
            weights[f"b_{name}"] = rng.normal(0, 0.1, columns).astype(np.float32)

    def images(num: int) -> np.ndarray:
        ink = rng.uniform(size=(num, PIXELS)) < 0.2
        return (ink * rng.uniform(size=ink.shape)).astype(np.float32)

    return Problem(
        images(num_unlabelled),
        images(num_labelled),
        np.arange(num_labelled) % CLASSES,
        weights,
        rng.normal(size=(CLASSES, num_unlabelled, LATENT)).astype(np.float32),
        rng.normal(size=(num_labelled, LATENT)).astype(np.float32),
    )


def loss(problem: Problem, analytic_kl: bool) -> float:
    """The explicit loss of a step in float64: minus the mean of U, minus the mean of L + a log q(y|x).

    Args:
        problem: the problem.
        analytic_kl: whether the KL of z is in closed form; otherwise log q - log p at the draw, as in Pyro's objective.
    """
    w = {name: value.astype(np.float64) for name, value in problem.weights.items()}

    def log_qy(x: np.ndarray) -> np.ndarray:
        h = _softplus(_softplus(x @ w["W_y0"] + w["b_y0"]) @ w["W_y1"] + w["b_y1"])
        logits = h @ w["W_y2"] + w["b_y2"]
        return logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))

    def bound(x: np.ndarray, y: np.ndarray, noise: np.ndarray) -> np.ndarray:
        h = _softplus(x @ w["W_zx"] + y @ w["W_zy"] + w["b_zx"])
        loc, raw = np.split(_softplus(h @ w["W_z1"] + w["b_z1"]) @ w["W_z2"] + w["b_z2"], 2, axis=-1)
        scale = _softplus(raw + SCALE_OFFSET) + SCALE_MINIMUM
        z = loc + scale * noise
        kl = 0.5 * (scale**2 + loc**2 - 1) - np.log(scale) if analytic_kl else 0.5 * (z**2 - noise**2) - np.log(scale)
        h = _softplus(y @ w["W_xy"] + z @ w["W_xz"] + w["b_xy"])
        logits = _softplus(h @ w["W_x1"] + w["b_x1"]) @ w["W_x2"] + w["b_x2"]
        return np.sum(x * logits - _softplus(logits), axis=-1) - np.log(CLASSES) - np.sum(kl, axis=-1)

    one_hot, x = np.eye(CLASSES), problem.x_labelled
    log_q = log_qy(problem.x_unlabelled)
    per_class = [bound(problem.x_unlabelled, one_hot[[k]], problem.noise_unlabelled[k]) for k in range(CLASSES)]
    unlabelled = np.sum(np.exp(log_q) * (np.stack(per_class, axis=-1) - log_q), axis=-1)
    labelled = bound(x, one_hot[problem.y], problem.noise_labelled)
    labelled += CLASSIFICATION_WEIGHT * np.take_along_axis(log_qy(x), problem.y[:, None], axis=-1)[:, 0]
    return float(-np.mean(unlabelled) - np.mean(labelled))


def matrix_product_flops(num_unlabelled: int, num_labelled: int) -> float:
    """Floating-point operations of a step's matrix products if nothing is computed twice.

    Each product counts once forward and twice backward; gradients of images are not needed and not counted.
    """
    h1, h2 = HIDDEN
    images, rows = num_unlabelled + num_labelled, CLASSES * num_unlabelled + num_labelled
    of_images = images * 2 * PIXELS * h1  # first layers of q(y|x) and q(z|x,y)
    per_image = images * (h1 * h2 + h2 * CLASSES)
    per_row = rows * (h1 * h2 + h2 * 2 * LATENT + LATENT * h1 + h1 * h2 + h2 * PIXELS)
    return 2.0 * (2 * of_images + 3 * per_image + 3 * per_row)


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)
