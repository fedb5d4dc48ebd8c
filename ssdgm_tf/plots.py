"""The figures: each function takes arrays and returns a matplotlib figure; none of them trains or saves."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

_GAP = 1


def learning_curves(rows: list[dict], monitored: str) -> Figure:
    """Bound, error and KL terms by epoch.

    Args:
        rows: the lines of metrics.jsonl.
        monitored: name of the data set behind the `val_` metrics.
    """
    epochs = [row["epoch"] for row in rows]
    panels = {
        "bound U(x), nats": {"bound_unlabelled": "training", "val_bound_unlabelled": monitored},
        "error": {"error": "labelled training examples", "val_error": monitored},
        "KL, nats": {"kl_z": "KL(q(z|x,y) || p(z))", "kl_y": "KL(q(y|x) || p(y))"},
    }
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    for axes, (title, curves) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name, label in curves.items():
            if name in rows[-1]:
                axes.plot(epochs, [row[name] for row in rows], label=label, marker="." if len(rows) < 30 else None)
        axes.set(title=title, xlabel="epoch")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    bound, error, _ = figure.axes
    error.set_ylim(bottom=0)
    if len(rows) > 10:  # the first epochs reach far below the rest and would flatten it
        low, high = np.quantile([line.get_ydata() for line in bound.lines], [0.05, 1.0])
        bound.set_ylim(bottom=low - 0.1 * (high - low))
    return figure


def reconstructions(x: np.ndarray, reconstructed: np.ndarray) -> Figure:
    """Images [N, H, W, C] above what the model makes of them."""
    return _grid(np.stack([x, reconstructed]), row_labels=["image", "model"])


def samples(images: np.ndarray) -> Figure:
    """Draws from the model, a class per row: [K, N, H, W, C]."""
    return _grid(images, row_labels=[str(label) for label in range(len(images))])


def analogies(x: np.ndarray, images: np.ndarray) -> Figure:
    """Images [N, H, W, C] in the first column, then every label in the style of each: [N, K, H, W, C]."""
    gap = np.ones_like(x[:, None])
    columns = ["image", "", *(str(label) for label in range(images.shape[1]))]
    return _grid(np.concatenate([x[:, None], gap, images], axis=1), column_labels=columns)


def latent_space(z: np.ndarray, y: np.ndarray) -> Figure:
    """Styles [N, D] on their first two principal components, coloured by label [N].

    Where the model has separated label from style, the colours are mixed.
    """
    from sklearn.decomposition import PCA

    figure = Figure(figsize=(5.6, 4.6), layout="constrained")
    axes = figure.subplots()
    points = PCA(n_components=2).fit_transform(z) if z.shape[1] > 2 else np.pad(z, ((0, 0), (0, 2 - z.shape[1])))
    num_classes = int(y.max()) + 1
    colours = colormaps["tab10" if num_classes <= 10 else "turbo"].resampled(num_classes)
    scatter = axes.scatter(*points.T, c=y, cmap=colours, vmin=-0.5, vmax=num_classes - 0.5, s=12, alpha=0.8)
    axes.set(xlabel="first principal component of z", ylabel="second")
    figure.colorbar(scatter, ax=axes, label="label", ticks=range(num_classes) if num_classes <= 10 else None)
    return figure


def _grid(images: np.ndarray, row_labels=(), column_labels=()) -> Figure:
    """Images [rows, columns, H, W(, C)] side by side on white; values are clipped to [0, 1]."""
    if images.ndim == 4:
        images = images[..., None]
    rows, columns, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=1.0)
    canvas = padded.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), columns * (width + _GAP), channels)
    figure = Figure(figsize=(0.62 * columns + 0.7, 0.62 * rows * height / width + 0.5), layout="constrained")
    axes = figure.subplots()
    canvas = np.clip(canvas, 0.0, 1.0)
    axes.imshow(canvas[..., 0] if channels == 1 else canvas[..., :3], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([(i + 0.5) * (width + _GAP) - 1 for i in range(len(column_labels))], column_labels)
    axes.set_yticks([(i + 0.5) * (height + _GAP) - 1 for i in range(len(row_labels))], row_labels)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
