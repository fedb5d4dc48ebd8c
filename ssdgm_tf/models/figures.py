"""The figures of a run that models of one label share: images of every label, their styles, the latent space."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from ssdgm_tf import plots, rows
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models.examples import examples
from ssdgm_tf.models.graphical_model import GraphicalModel

# Values of each of the two dimensions of a style that is explored.
_QUANTILES = 7
# Series of each class, of the data and of the model.
_NUM_SERIES = 10


class Captioned(NamedTuple):
    """A figure of a report.

    Attributes:
        figure: a matplotlib figure.
        caption: the text below it.
    """

    figure: Figure
    caption: str


def reconstructions(images: np.ndarray, reconstructed: np.ndarray) -> Captioned:
    """Test images above the images that the model makes of them.

    Args:
        images: [N, H, W, C].
        reconstructed: [N, H, W, C].
    """
    return Captioned(
        plots.reconstructions(images, reconstructed),
        "Test images, and their reconstructions from the likeliest label and the mean latent variables.",
    )


def of_classes(model: GraphicalModel, dataset: SemiSupervisedData, shown: np.ndarray, seed: int) -> dict[str, Captioned]:
    """Samples, reconstructions, analogies, styles and the latent space of a model with at most one label, `y`.

    Args:
        model: the model.
        dataset: its data set.
        shown: indices of test examples, those to show first.
        seed: of the draws.

    Returns:
        {name: figure}. Vectors have a latent space only; of series see `_of_series`.
    """
    labels: Any = dataset.y_test
    few, _ = examples(model, dataset.x_test[shown[:10]], labels[shown[:10]])
    of_codes = shown[: rows.batch_size(dataset.x_test.shape, 1000)]
    some, _ = examples(model, dataset.x_test[of_codes], labels[of_codes])
    codes = model.encode(some)[model.graph.latent[-1]]
    made = {
        "latent_space": Captioned(
            plots.latent_space(codes, labels[of_codes]),
            f"The last latent variable of test {dataset.noun}, coloured by label. For a style, the more mixed the "
            "colours, the better label and style are separated; for the features of a model without labels it is the other "
            "way round.",
        )
    }

    def images(values: Any) -> np.ndarray:
        return dataset.to_images(values["x"] if isinstance(values, dict) else values)

    if dataset.noun == "series":
        return made | _of_series(model, dataset, shown, images, seed)
    if images(few).ndim < 4:
        return made
    knows_labels = "y" in model.generative
    labels_drawn = np.repeat(np.arange(dataset.num_classes), 10)
    given = {"y": labels_drawn} if knows_labels else None
    drawn = images(model.generate(given, num_samples=len(labels_drawn), seed=seed))
    made |= {
        "reconstructions": reconstructions(images(few), images(model.reconstruct(few))),
        "samples": Captioned(
            plots.samples(drawn.reshape((dataset.num_classes, 10, *drawn.shape[1:]))),
            "Images drawn from the model. Where it has labels there is a class per row: the label is held, and the style is "
            "drawn from its prior.",
        ),
    }
    if knows_labels:
        varied = model.analogies(few, vary={"y": np.arange(dataset.num_classes)})
        made["analogies"] = Captioned(
            plots.analogies(images(few), images(varied)),
            "Analogies. Each row shows a test image, then every label in its style. The style should stay along a row, the "
            "label along a column.",
        )
    if knows_labels and codes.shape[1] > 1:
        made["styles"] = _styles(model, codes, dataset.num_classes, images, seed)
    return made


def _of_series(
    model: GraphicalModel, dataset: SemiSupervisedData, shown: np.ndarray, in_units: Callable[[Any], np.ndarray], seed: int
) -> dict[str, Captioned]:
    """Reconstructions of test series, and means of the model beside test series: of each class, where it has labels."""
    labels: Any = dataset.y_test
    few, _ = examples(model, dataset.x_test[shown[:6]], labels[shown[:6]])
    knows_labels = "y" in model.generative
    num_classes = dataset.num_classes if knows_labels else 1
    given = {"y": np.repeat(np.arange(num_classes), _NUM_SERIES)} if knows_labels else None
    drawn = in_units(model.generate(given, num_samples=num_classes * _NUM_SERIES, seed=seed))
    of_class = [shown[labels[shown] == label] if knows_labels else shown for label in range(num_classes)]
    data = [in_units(dataset.x_test[indices[:_NUM_SERIES]]) for indices in of_class]
    names = dataset.class_names or tuple(map(str, range(num_classes))) if knows_labels else ("all",)
    return {
        "reconstructions": Captioned(
            plots.series(in_units(few), in_units(model.reconstruct(few))),
            "Test series, and their reconstructions from the likeliest label and the mean latent variables. Where a series "
            "has a gap there is no dot.",
        ),
        "samples": Captioned(
            plots.series_of_classes(data, drawn.reshape((num_classes, _NUM_SERIES, *drawn.shape[1:])), names),
            "Test series, and the means that the model gives for latent variables from their prior. Where it has labels, "
            "there is a column for each.",
        ),
    }


def _styles(
    model: GraphicalModel, codes: np.ndarray, num_classes: int, images: Callable[[Any], np.ndarray], seed: int
) -> Captioned:
    """Images of every label over a grid of the two dimensions of the style in which the codes [N, D] differ most."""
    points, dimensions = style_grid(codes)
    labels = np.repeat(np.arange(num_classes), _QUANTILES**2)
    given = {"y": labels, model.graph.latent[-1]: np.tile(points.reshape(-1, codes.shape[1]), (num_classes, 1))}
    drawn = images(model.generate(given, seed=seed))
    return Captioned(
        plots.styles(drawn.reshape((num_classes, *points.shape[:2], *drawn.shape[1:])), dimensions),
        "Style exploration. There is a mosaic per label: the label is held, and the two style dimensions that differ most "
        "between test images vary over the quantiles of their prior. The others stay at the mean of the test images.",
    )


def style_grid(codes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Styles over quantiles of a standard normal prior, in the two dimensions in which the codes differ most.

    The other dimensions stay at the mean of the codes and not at zero: where training was short, images may lie to one side
    of the prior.

    Args:
        codes: styles of images, [N, D].

    Returns:
        Styles [V, V, D], and the two dimensions; rows vary the first.
    """
    first, second = (int(d) for d in np.argsort(-codes.var(axis=0))[:2])
    quantiles = stats.norm.ppf(np.linspace(0.05, 0.95, _QUANTILES))
    points = np.tile(codes.mean(axis=0), (_QUANTILES, _QUANTILES, 1))
    points[..., first], points[..., second] = quantiles[:, None], quantiles
    return points, (first, second)
