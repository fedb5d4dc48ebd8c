"""The figures of what a model predicts of classes: whether its probabilities are right, and where it errs."""

from collections.abc import Callable, Sequence

import numpy as np

from ssdgm_tf import plots
from ssdgm_tf.models.figures import Captioned

# Images in a figure.
_NUM_SHOWN = 20


def of_predictions(
    name: str,
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    noun: str,
    images_of: Callable[[np.ndarray], np.ndarray],
) -> dict[str, Captioned]:
    """A reliability diagram, and of images the surest errors and the least certain ones.

    Args:
        name: of the variable, and "_"; "" where there is only one.
        probabilities: of the classes of test examples, [N, K].
        labels: their labels, -1 for "not known", [N].
        class_names: the names of the classes.
        noun: what the examples are, such as "images".
        images_of: the images of examples by their indices, [n, H, W, C], or other values of another rank.

    Returns:
        {name: figure}; without a known label only the least certain ones.
    """
    chosen, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    known = labels >= 0
    is_wrong = known & (chosen != labels)
    entropy = -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-30)), axis=1)
    made = {}
    if known.any():
        panel = plots.Reliability(name.replace("_", " ").strip() or "class", sure[known], ~is_wrong[known])
        made[f"{name}reliability"] = Captioned(
            plots.calibration([panel]),
            f"Test {noun} in ten groups of equal size, by the probability of their likeliest class, and the share of right "
            "answers in each (bars: two standard errors). On the dashed line the probabilities are right.",
        )

    def gallery(order: np.ndarray, caption: str) -> Captioned | None:
        indices = order[:_NUM_SHOWN]
        if not len(indices) or (images := images_of(indices)).ndim != 4:
            return None
        texts = [f"{class_names[chosen[i]]} {100 * sure[i]:.0f} %" for i in indices]
        wrong = [
            f"{text}\nis {class_names[labels[i]]}" if is_wrong[i] else text for text, i in zip(texts, indices, strict=True)
        ]
        return Captioned(plots.captioned(images, wrong), caption)

    wrong = np.flatnonzero(is_wrong)
    figures = {
        "surest_errors": gallery(
            wrong[np.argsort(-sure[wrong], kind="stable")],
            f"The test {noun} of which it is surest and wrong: the predicted class, its probability, and the true class.",
        ),
        "least_certain": gallery(
            np.argsort(-entropy, kind="stable"),
            f"The test {noun} of which it is least certain, by the entropy of the probabilities: the likeliest class, its "
            "probability and, where it is wrong, the true class.",
        ),
    }
    return made | {name + key: figure for key, figure in figures.items() if figure is not None}
