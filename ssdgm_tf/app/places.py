"""Where examples lie: in the space of everything that a model infers, and on the map."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.decomposition import PCA
from tqdm.auto import tqdm


def beside(means: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a model infers of examples, side by side: latent means, and the probabilities of classes.

    Each variable is scaled so that all of them vary as much.

    Args:
        means: {variable: [N, ...]}, as `encode` gives them.

    Returns:
        float32 [N, D].
    """
    blocks = []
    for values in means.values():
        block = values.reshape(len(values), -1).astype(np.float32)
        blocks.append((block - block.mean(axis=0)) / _spread(block))
    return np.concatenate(blocks, axis=1)


def distances(
    means: Mapping[str, np.ndarray], at: Sequence[int], of_one: Mapping[str, np.ndarray], weights: Mapping[str, float]
) -> np.ndarray:
    """How far some examples are from another one: squares, of variables scaled as in `beside`, [n].

    Args:
        means: {variable: [N, ...]} of all examples.
        at: places of the n examples among these.
        of_one: {variable: [1, ...]} of the other one.
        weights: {variable: how much it counts}.
    """
    found = np.zeros(len(at))
    for name, values in means.items():
        block = values.reshape(len(values), -1)
        found += weights[name] * np.sum(((block[at] - of_one[name].reshape(1, -1)) / _spread(block)) ** 2, axis=1)
    return found


def maps(means: Mapping[str, np.ndarray], probabilities: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps of examples.

    The first is of the first supervised class and of all else: classes lie on a circle, an example between those that it may
    be of, and its style, two principal components of the other variables, moves it a little. Then one of each variable.

    Args:
        means: {variable: [N, ...]}, as `encode` gives them.
        probabilities: {supervised class: [N, K]}.

    Returns:
        {what it is of: float32 [N, 2] in [-1, 1]}.
    """
    name, q = next(iter(probabilities.items()))
    angles = 2 * np.pi * np.arange(q.shape[1]) / q.shape[1]
    circle = q @ np.stack([np.sin(angles), np.cos(angles)], axis=1)
    others = {other: values for other, values in means.items() if other != name}
    found = {}
    if others:
        style = _principal(beside(others))
        reach = np.sin(np.pi / max(q.shape[1], 4))  # of neighbours on the circle
        found[f"{name} and style"] = _framed(circle + 0.9 * reach * style)
    for variable, values in tqdm(means.items(), desc="maps", delay=2, leave=False):
        flat, by = on_plane(beside({variable: values}))
        found[f"{variable}, {by}"] = flat
    return found


def on_plane(places: np.ndarray, seed: int = 0) -> tuple[np.ndarray, str]:
    """Places on a plane, and by what: UMAP where it is installed, else the first two principal components.

    Args:
        places: [N, D].
        seed: of UMAP.

    Returns:
        float32 [N, 2] in [-1, 1], and "UMAP" or "PCA".
    """
    try:
        from umap import UMAP
    except ImportError:
        return _framed(_principal(places)), "PCA"
    return _framed(UMAP(random_state=seed, n_jobs=1).fit_transform(places)), "UMAP"


def _spread(block: np.ndarray) -> float:
    """The root of the summed variance of numbers [N, D]; of constant ones almost 0."""
    return max(float(np.sqrt(np.sum(block.var(axis=0)))), 1e-6)


def _principal(places: np.ndarray) -> np.ndarray:
    """Two principal components, most of them in [-1, 1]."""
    number = min(2, *places.shape)
    if not places.std(axis=0).any():  # a variable that training did not use
        return np.zeros((len(places), 2))
    flat = PCA(number, random_state=0).fit_transform(places)
    flat = np.pad(flat, ((0, 0), (0, 2 - number)))
    return np.clip(flat / max(2 * float(flat.std()), 1e-9), -2, 2)


def _framed(flat: np.ndarray) -> np.ndarray:
    flat = flat - (flat.max(axis=0) + flat.min(axis=0)) / 2
    return (flat / max(float(np.abs(flat).max()), 1e-9)).astype(np.float32)
