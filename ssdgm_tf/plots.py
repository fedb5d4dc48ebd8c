"""The figures: each function takes arrays and returns a matplotlib figure. None of them trains or saves."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, FancyArrowPatch, Patch, Rectangle
from matplotlib.ticker import NullLocator, PercentFormatter, StrMethodFormatter
from scipy import stats

_GAP = 1
# Of a confusion matrix: classes with numbers, classes that are named, and letters of a name.
_MOST_NUMBERS, _MOST_NAMES, _LONGEST_NAME = 20, 40, 16
# Errors of several variables in learning curves.
_MOST_CURVES = 4
# Channels of time series that are shown.
_MOST_CHANNELS = 4
_GENERATIVE, _RECOGNITION, _KNOWN = "tab:blue", "tab:orange", "0.75"
# Small text that ends at the right edge of a panel, above a point.
_AT_THE_RIGHT = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "fontsize": 8}


def learning_curves(rows: list[dict], monitored: str) -> Figure:
    """Bound, error and KL terms by epoch.

    Args:
        rows: the lines of metrics.jsonl, as dicts.
        monitored: name of the data set of the `val_` metrics.
    """
    epochs = [row["epoch"] for row in rows]
    ends, others = ("error", "degrees", "mae"), ("val_", "digit_", "place_")
    errors = [name for name in rows[-1] if name.endswith(ends) and not name.startswith(others)][:_MOST_CURVES]
    panels = {
        "bound U(x), nats": {"bound_unlabelled": "training", "val_bound_unlabelled": monitored},
        **{name.replace("_", " "): {name: "labelled training examples", f"val_{name}": monitored} for name in errors},
        "KL, nats": {name: f"KL of {name.removeprefix('kl_')}" for name in rows[-1] if name.startswith("kl_")},
    }
    panels = {title: curves for title, curves in panels.items() if set(curves) & set(rows[-1])}
    figure = Figure(figsize=(4 * len(panels), 3.4), layout="constrained")
    for axes, (title, curves) in zip(np.ravel(figure.subplots(1, len(panels))), panels.items(), strict=True):
        for name, label in curves.items():
            if name in rows[-1]:
                axes.plot(epochs, [row[name] for row in rows], label=label, marker="." if len(rows) < 30 else None)
        axes.set(title=title, xlabel="epoch")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        if title.endswith(ends):
            axes.set_ylim(bottom=0)
    bound = figure.axes[0]
    if len(rows) > 10:  # the first epochs lie far below the rest and would flatten the curve
        low, high = np.quantile([line.get_ydata() for line in bound.lines], [0.05, 1.0])
        bound.set_ylim(bottom=low - 0.1 * (high - low))
    return figure


def grid(images: np.ndarray, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()) -> Figure:
    """Images [rows, columns, H, W(, C)] side by side on white; values are clipped to [0, 1]."""
    if images.ndim == 4:
        images = images[..., None]
    rows, columns, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=1.0)
    canvas = padded.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), columns * (width + _GAP), channels)
    figure = Figure(figsize=(0.62 * columns + 0.7, 0.62 * rows * height / width + 0.5), layout="constrained")
    axes = figure.subplots()
    canvas = np.clip(canvas, 0.0, 1.0)
    axes.imshow(_visible(canvas), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([(i + 0.5) * (width + _GAP) - 1 for i in range(len(column_labels))], column_labels)
    axes.set_yticks([(i + 0.5) * (height + _GAP) - 1 for i in range(len(row_labels))], row_labels)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def captioned(images: np.ndarray, captions: Sequence[str], columns: int = 10) -> Figure:
    """Images, each with a caption below it.

    Args:
        images: [N, H, W, C]; values are clipped to [0, 1].
        captions: a text of up to two lines for each.
        columns: images in a row.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.05 * columns, 1.45 * rows), layout="constrained")
    all_axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in all_axes:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    for axes, image, caption in zip(all_axes, np.clip(images, 0.0, 1.0), captions, strict=False):
        axes.imshow(_visible(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        lines = [_short(line, _LONGEST_NAME) for line in caption.split("\n")]
        axes.set_xlabel("\n".join(lines), fontsize=7, parse_math=False)
    return figure


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Which class is taken for which: the shares of each true class as shades, with the numbers of up to 20 classes.

    Args:
        matrix: numbers of examples [K, K], a row for each true class.
        names: the names of the classes.
    """
    num_classes = len(matrix)
    share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    shown = range(0, num_classes, -(-num_classes // _MOST_NAMES))
    named = [names[k] if len(names[k]) <= _LONGEST_NAME else f"{names[k][: _LONGEST_NAME - 1]}\u2026" for k in shown]
    longest = max(map(len, named))
    side, margin = min(max(2.4, 0.42 * num_classes), 9.0), 0.6 + 0.075 * longest
    figure = Figure(figsize=(side + margin + 1.0, side + margin), layout=ConstrainedLayoutEngine(w_pad=0.12))
    axes = figure.subplots()
    # The root shows small shares too.
    image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest")
    for i, k in np.ndindex(matrix.shape) if num_classes <= _MOST_NUMBERS else ():
        if matrix[i, k]:
            colour = "white" if share[i, k] > 0.3 else "black"
            axes.text(k, i, str(matrix[i, k]), ha="center", va="center", color=colour, fontsize=8)
    style: dict[str, Any] = {"fontsize": 8, "parse_math": False}  # a name may hold a dollar
    axes.set_xticks(shown, named, rotation=90 if longest > 2 else 0, **style)
    axes.set_yticks(shown, named, **style)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    ticks = [0, 0.01, 0.1, 0.25, 0.5, 1]
    figure.colorbar(image, ax=axes, label="share of the true class", ticks=ticks, format="{x:.0%}", shrink=0.8)
    return figure


def reconstructions(x: np.ndarray, reconstructed: np.ndarray) -> Figure:
    """Images [N, H, W, C] above their reconstructions."""
    return grid(np.stack([x, reconstructed]), row_labels=["image", "model"])


def samples(images: np.ndarray) -> Figure:
    """Draws from the model [K, N, H, W, C], one row per class."""
    return grid(images, row_labels=[str(label) for label in range(len(images))])


def analogies(x: np.ndarray, images: np.ndarray) -> Figure:
    """Images [N, H, W, C] in the first column, then every label in the style of each image, [N, K, H, W, C]."""
    gap = np.ones_like(x[:, None])
    columns = ["image", "", *(str(label) for label in range(images.shape[1]))]
    return grid(np.concatenate([x[:, None], gap, images], axis=1), column_labels=columns)


def varied(x: np.ndarray, images: np.ndarray, column_labels: list[str]) -> Figure:
    """Images [N, H, W, C] in the first column, then V variations of each, [N, V, H, W, C], with one label per column."""
    gap = np.ones_like(x[:, None])
    return grid(np.concatenate([x[:, None], gap, images], axis=1), column_labels=["image", "", *column_labels])


def gallery(images: np.ndarray, columns: int = 13) -> Figure:
    """Images [N, H, W, C] in rows; a gap sets the first apart."""
    first, rest = images[:1], images[1:]
    rows = -(-len(rest) // columns)
    empty = np.ones((rows * columns - len(rest), *rest.shape[1:]), rest.dtype)
    apart = np.ones((rows, 2, *rest.shape[1:]), rest.dtype)
    apart[0, 0] = first[0]
    return grid(np.concatenate([apart, np.concatenate([rest, empty]).reshape(rows, columns, *rest.shape[1:])], axis=1))


def decomposition(
    images: np.ndarray, row_labels: list[str], column_labels: list[str], names: list[list[str]] | None = None
) -> Figure:
    """Canvases, their reconstructions and the K digits on each, white on black.

    Args:
        images: the images [N, 2 + K, H, W, C].
        row_labels: one label per canvas.
        column_labels: one label per column.
        names: the predicted name of each digit, [N][K]; None for no names.
    """
    figure = grid(images, row_labels, column_labels)
    height, width = images.shape[2:4]
    for i, row in enumerate(names or []):
        for k, name in enumerate(row):
            corner = ((k + 2) * (width + _GAP) + 2, i * (height + _GAP) + 2)
            figure.axes[0].text(*corner, name, color="tab:orange", va="top", fontsize=8, weight="bold")
    return figure


def graph(roles: dict[str, str], generative: list[tuple[str, str]], recognition: list[tuple[str, str]]) -> Figure:
    """A graphical model: generative arrows blue, recognition arrows orange and dashed.

    Args:
        roles: {name: "observed", "supervised", "latent" or "computed"}; filled, half filled, empty, and a box.
        generative: (parent, child) of every generative dependency.
        recognition: (parent, child) of every dependency of the recognition model.
    """
    positions = _layers(roles, generative, recognition)
    width = 0.5 + 0.085 * max(map(len, roles))
    columns = 1 + max(x for x, _ in positions.values()) - min(x for x, _ in positions.values())
    rows = 1 + max(-y for _, y in positions.values())
    figure = Figure(figsize=(max(4.6, 1.9 * (width + 0.6) * columns), 1.5 * rows + 0.9), layout="constrained")
    axes = figure.subplots()
    step = width + 0.9
    centres = {name: (step * x, 1.25 * y) for name, (x, y) in positions.items()}
    shapes, top = {}, 0.6
    for name, role in roles.items():
        shapes[name] = _draw_variable(axes, name, role, centres[name], width)
    for edges, colour, style in ((generative, _GENERATIVE, "solid"), (recognition, _RECOGNITION, "dashed")):
        for parent, child in edges:
            (x0, y0), (x1, y1) = positions[parent], positions[child]
            bend = -0.12 if edges is recognition and (parent, child) in generative else 0.12
            if y0 == y1 and abs(x1 - x0) > 1.5:  # over the variables between them
                bend = 0.35 * np.sign(x0 - x1)
                top = max(top, 0.175 * step * abs(x1 - x0) + 0.1)  # and its line is whole
            arrow = FancyArrowPatch(
                centres[parent],
                centres[child],
                connectionstyle=f"arc3,rad={bend}",
                arrowstyle="-|>",
                mutation_scale=14,
                linewidth=1.6,
                linestyle=style,
                color=colour,
                patchA=shapes[parent],
                patchB=shapes[child],
                shrinkA=1,
                shrinkB=2,
            )
            axes.add_patch(arrow)
    handles = [
        Line2D([], [], color=_GENERATIVE, label="generative p"),
        Line2D([], [], color=_RECOGNITION, linestyle="dashed", label="recognition q"),
        Patch(facecolor=_KNOWN, edgecolor="black", label="observed"),
        Patch(facecolor="white", edgecolor="black", label="latent"),
    ]
    if "supervised" in roles.values():
        handles.insert(3, Patch(facecolor="0.9", edgecolor="black", label="half filled: partly supervised"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    xs, ys = zip(*centres.values(), strict=True)
    axes.set(xlim=(min(xs) - step / 2, max(xs) + step / 2), ylim=(min(ys) - 0.6, max(ys) + top), aspect="equal")
    axes.axis("off")
    return figure


def _draw_variable(axes: Axes, name: str, role: str, centre: tuple[float, float], width: float) -> Patch:
    """Draws the shape of one variable and its name."""
    if role == "computed":
        corner = (centre[0] - width / 2, centre[1] - 0.25)
        shape = axes.add_patch(Rectangle(corner, width, 0.5, facecolor="white", edgecolor="black", zorder=3))
    else:
        colour = _KNOWN if role == "observed" else "white"
        shape = axes.add_patch(Ellipse(centre, width, 0.7, facecolor=colour, edgecolor="black", zorder=3))
    if role == "supervised":
        half = Ellipse(centre, width, 0.7, facecolor=_KNOWN, edgecolor="none", zorder=4)
        axes.add_patch(half)
        half.set_clip_path(Rectangle((centre[0] - width, centre[1] - 1), width, 2, transform=axes.transData))
        axes.add_patch(Ellipse(centre, width, 0.7, facecolor="none", edgecolor="black", zorder=5))
    axes.text(*centre, name, ha="center", va="center", zorder=6)
    return shape


def _layers(
    roles: dict[str, str], generative: list[tuple[str, str]], recognition: list[tuple[str, str]]
) -> dict[str, tuple[float, int]]:
    """{name: (x, y)}: every variable is a row below its generative parents; rows are centred."""
    depth = dict.fromkeys(roles, 0)
    for _ in roles:
        for parent, child in generative:
            depth[child] = max(depth[child], depth[parent] + 1)
    in_generative = {name for edge in generative for name in edge}
    for parent, child in recognition:  # a variable that only the recognition model computes is above its parent
        if roles[child] == "computed" and child not in in_generative:
            depth[child] = max(0, depth[parent] - 1)
    levels = {d: [name for name in roles if depth[name] == d] for d in sorted(set(depth.values()))}
    return {
        name: (i - (len(names) - 1) / 2 + 0.75 * (row % 2 if len(levels) > 2 else 0), -row)
        for row, names in enumerate(levels.values())
        for i, name in enumerate(names)
    }


def styles(images: np.ndarray, dimensions: tuple[int, int]) -> Figure:
    """A mosaic per class over a grid of two style dimensions, the first down the rows: images [K, V, V, H, W, C]."""
    num_classes = len(images)
    columns = min(num_classes, 5)
    rows = -(-num_classes // columns)
    figure = Figure(figsize=(2.2 * columns, 2.3 * rows + 0.4), layout="constrained")
    for label, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if label < num_classes:
            mosaic = np.concatenate(np.concatenate(images[label].clip(0, 1), axis=1), axis=1)
            axes.imshow(_visible(mosaic), cmap="gray", vmin=0, vmax=1)
            axes.set_title(str(label), fontsize=10)
    figure.supxlabel(f"across: dimension {dimensions[1]} of the style; down: dimension {dimensions[0]}", fontsize=9)
    return figure


def supervision_rates(curves: dict[str, list[tuple[float, float, bool]]]) -> Figure:
    """Errors in percent against supervision rates.

    Args:
        curves: {title: (rate, error, whether it is the rate of gamma = 1) in the order of rates}.
    """
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.subplots()
    for title, points in curves.items():
        (line,) = axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", markersize=4, label=title)
        for rate, error in ((r, e) for r, e, one in points if one):
            axes.plot(rate, error, marker="D", markersize=9, markerfacecolor="none", color=line.get_color())
    axes.plot([], [], marker="D", markersize=9, markerfacecolor="none", color="black", linestyle="none", label="gamma = 1")
    axes.set(xlabel="supervision rate", ylabel="test error, %", xscale="logit", ylim=(0, None))
    axes.set_xticks([0.002, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95], ["0.002", "0.01", "0.05", "0.2", "0.5", "0.8", "0.95"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def errors_by_minutes(
    curves: dict[str, list[tuple[Sequence[float], Sequence[float]]]], published: dict[str, float]
) -> Figure:
    """Errors in percent against minutes of training: a panel for each model, five in a row, and a curve for each run.

    Args:
        curves: {title: (minutes, errors) of each run}.
        published: {title: the published test error}, a dashed line.
    """
    num_columns = min(5, len(curves))
    num_rows = -(-len(curves) // num_columns)
    figure = Figure(figsize=(2.6 * num_columns, 3.0 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(curves) :]:
        axes.remove()
    for axes, (title, runs) in zip(panels.flat, curves.items(), strict=False):
        for minutes, errors in runs:
            axes.plot(minutes, errors)
        if title in published:
            axes.axhline(published[title], color="black", linestyle="--", linewidth=1)
            axes.annotate(f"published {published[title]:g} %", (1, published[title]), (-2, 2), **_AT_THE_RIGHT)
        axes.set(title=title, xscale="log", yscale="log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_yticks([0.5, 1, 2, 5, 10, 20, 50])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.supxlabel("minutes")
    figure.supylabel("validation error, %")
    return figure


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
    scatter = axes.scatter(points[:, 0], points[:, 1], c=y, cmap=colours, vmin=-0.5, vmax=num_classes - 0.5, s=12, alpha=0.8)
    axes.set(xlabel="first principal component of z", ylabel="second")
    figure.colorbar(scatter, ax=axes, label="label", ticks=range(num_classes) if num_classes <= 10 else None)
    return figure


def _visible(image: np.ndarray) -> np.ndarray:
    """The colours of an image [H, W, C], or its first channel: the only one, or the left image of a stereo pair."""
    return image[..., :3] if image.shape[-1] >= 3 else image[..., 0]


def series(x: np.ndarray, reconstructed: np.ndarray) -> Figure:
    """Time series as dots, and their reconstructions as lines: a panel for each, and a row of panels for each channel.

    Args:
        x: series [N, T, C], NaN for a gap. Of more than 4 channels the first 4 are shown.
        reconstructed: [N, T, C].
    """
    channels = min(x.shape[2], _MOST_CHANNELS)
    figure, panels = _panels_of_series(len(x), channels)
    for (channel, index), axes in np.ndenumerate(panels):
        axes.plot(x[index, :, channel], ".", markersize=3, color=_GENERATIVE, label="data")
        axes.plot(reconstructed[index, :, channel], color=_RECOGNITION, linewidth=1.2, label="model")
    _name_rows(panels, x.shape[2])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def series_of_classes(data: Sequence[np.ndarray], made: np.ndarray, names: Sequence[str]) -> Figure:
    """Time series of each class, data and model: a column of panels for each class, a row for each channel.

    Args:
        data: for each class some series [N, T, C], NaN for a gap; perhaps none.
        made: series of the model, [K, M, T, C]. Of more than 4 channels the first 4 are shown.
        names: names of the classes.
    """
    num_channels = made.shape[3]
    figure, panels = _panels_of_series(len(made), min(num_channels, _MOST_CHANNELS))
    for (channel, label), axes in np.ndenumerate(panels):
        for values, colour in ((data[label], _GENERATIVE), (made[label], _RECOGNITION)):
            axes.plot(values[..., channel].T, color=colour, alpha=0.5, linewidth=0.8)
        if channel == 0:
            axes.set_title(_short(names[label], 16), fontsize=9, parse_math=False)
    _name_rows(panels, num_channels)
    handles = [Line2D([], [], color=_GENERATIVE, label="data"), Line2D([], [], color=_RECOGNITION, label="model")]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def _panels_of_series(columns: int, rows: int) -> tuple[Figure, np.ndarray]:
    """A figure of panels [rows, columns] that share their axes."""
    figure = Figure(figsize=(min(2.1 * columns + 0.6, 16.0), 1.7 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="row")
    for axes in panels.flat:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("time", fontsize=9)
    return figure, panels


def _name_rows(panels: np.ndarray, num_channels: int) -> None:
    """Names the channels at the left, where there are several."""
    for channel, axes in enumerate(panels[:, 0] if num_channels > 1 else ()):
        axes.set_ylabel(f"channel {channel}", fontsize=8)


class Marginal(NamedTuple):
    """Two histograms of a column.

    Attributes:
        name: of the column.
        data: the share of the data in each bar.
        made: the share of the model's rows in each bar.
        names: names of the bars of categories.
        edges: edges of the bars of numbers.
        is_logarithmic: whether the axis of numbers is.
        date: from a number to a date; None for numbers.
    """

    name: str
    data: np.ndarray
    made: np.ndarray
    names: tuple[str, ...] = ()
    edges: np.ndarray | None = None
    is_logarithmic: bool = False
    date: Callable[[float], str] | None = None

    @property
    def difference(self) -> float:
        """Half the sum of the differences of the shares: the share that would have to move."""
        return float(np.abs(self.data - self.made).sum() / 2)


class Reliability(NamedTuple):
    """The probabilities of the likeliest classes.

    Attributes:
        name: of the target.
        probability: of the likeliest class, [N].
        is_right: whether it is the true one, bool [N].
    """

    name: str
    probability: np.ndarray
    is_right: np.ndarray


class Coverage(NamedTuple):
    """The errors of predicted numbers.

    Attributes:
        name: of the target.
        deviations: absolute errors in predicted standard deviations, [N].
    """

    name: str
    deviations: np.ndarray


def marginals(panels: Sequence[Marginal]) -> Figure:
    """The histograms of columns, data and model.

    Args:
        panels: one for each column.
    """
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.35 * rows + 0.45), layout="constrained")
    all_axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(all_axes, panels, strict=False):
        if panel.edges is None:
            places = np.arange(len(panel.names))
            axes.bar(places - 0.2, panel.data, 0.4, color=_GENERATIVE, alpha=0.45, label="data")
            axes.bar(places + 0.2, panel.made, 0.4, fill=False, edgecolor=_RECOGNITION, linewidth=1.6, label="model")
            named = [_short(name, 12) for name in panel.names]
            rotation = 90 if len(named) * (2 + max(map(len, named))) > 36 else 0
            axes.set_xticks(places, named, rotation=rotation, fontsize=8, parse_math=False)
        else:
            axes.stairs(panel.data, panel.edges, fill=True, color=_GENERATIVE, alpha=0.45, label="data")
            axes.stairs(panel.made, panel.edges, color=_RECOGNITION, linewidth=1.6, label="model")
            if panel.is_logarithmic:
                axes.set_xscale("log")
                ticks = _round_numbers(panel.edges[0], panel.edges[-1])
                axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                axes.xaxis.set_minor_locator(NullLocator())
            if panel.date is not None:
                ticks = np.quantile(panel.edges, [0.15, 0.85])
                axes.set_xticks(ticks, [panel.date(tick)[:10] for tick in ticks])
            axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", labelsize=8)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_title(f"{_short(panel.name, 24)}   {panel.difference:.0%}", fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def associations(data: np.ndarray, made: np.ndarray, names: Sequence[str]) -> Figure:
    """Matrices of associations [D, D] in [-1, 1]: of the data, of the model, and their difference.

    Args:
        data: of the data, NaN where not known.
        made: of the model.
        names: names of the columns.
    """
    size = len(names)
    side = min(max(2.6, 0.26 * size), 6.5)
    named = [_short(name, 18) for name in names]
    margin = 0.3 + 0.075 * max(map(len, named))
    figure = Figure(figsize=(3 * side + margin + 1.3, side + margin + 0.4), layout="constrained")
    all_axes = figure.subplots(1, 3)
    for index, (axes, title, matrix) in enumerate(
        zip(all_axes, ("data", "model", "model - data"), (data, made, made - data), strict=True)
    ):
        axes.set_facecolor(_KNOWN)
        shown = np.where(np.eye(size, dtype=bool), np.nan, matrix)
        image = axes.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(size), named, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(size), named if index == 0 else [""] * size, fontsize=8, parse_math=False)
        axes.tick_params(length=0)
    figure.colorbar(image, ax=list(all_axes), shrink=0.8, label="correlation")
    return figure


def importance(panels: Sequence[tuple[str, Sequence[str], np.ndarray, np.ndarray, str]]) -> Figure:
    """The importance of columns for each target, as bars.

    Args:
        panels: (target, names of columns, means, spreads, unit) of each target.
    """
    height = 0.9 + 0.24 * max(len(names) for _, names, *_ in panels)
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, max(2.0, height)), layout="constrained")
    for axes, (target, names, means, spreads, unit) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        places = np.arange(len(names))
        axes.barh(places, means, xerr=spreads, color=_GENERATIVE, height=0.7, error_kw={"linewidth": 1, "ecolor": "0.3"})
        axes.set_yticks(places, [_short(name, 24) for name in names], fontsize=8, parse_math=False)
        axes.invert_yaxis()
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_title(_short(target, 30), fontsize=10, parse_math=False)
        axes.set_xlabel(unit, fontsize=9)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def calibration(panels: Sequence[Reliability | Coverage]) -> Figure:
    """Whether predicted probabilities are right, for each target.

    Args:
        panels: one for each target.
    """
    columns = max(1, min(3, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(3.9 * columns, 3.7 * rows), layout="constrained")
    all_axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(all_axes, panels, strict=False):
        if isinstance(panel, Reliability):
            _draw_reliability(axes, panel)
        else:
            _draw_coverage(axes, panel)
        axes.set_title(_short(panel.name, 30), fontsize=10, parse_math=False)
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    return figure


def _draw_reliability(axes: Axes, panel: Reliability) -> None:
    """The share of right answers by probability, in bins of equal numbers of rows."""
    order = np.argsort(panel.probability)
    bins = [part for part in np.array_split(order, min(10, max(1, len(order) // 10))) if len(part)]
    sure = np.array([panel.probability[part].mean() for part in bins])
    right = np.array([panel.is_right[part].mean() for part in bins])
    error = np.array(
        [2 * np.sqrt(max(p * (1 - p), 1 / len(part) / 4) / len(part)) for p, part in zip(right, bins, strict=True)]
    )
    error = np.stack([np.minimum(error, right), np.minimum(error, 1 - right)])
    low = min(0.95, sure.min(), (right - error[0]).min())
    axes.plot([low, 1], [low, 1], linestyle="dashed", color="0.4", linewidth=1)
    axes.errorbar(sure, right, yerr=error, fmt="o", color=_GENERATIVE, markersize=4, linewidth=1)
    axes.set(xlabel="probability of the likeliest class", ylabel="share of right answers")


def _draw_coverage(axes: Axes, panel: Coverage) -> None:
    """The share of rows inside the central interval of every probability."""
    nominal = np.linspace(0, 1, 101)[1:-1]
    inside = np.array([np.mean(panel.deviations <= edge) for edge in stats.norm.ppf((1 + nominal) / 2)])
    axes.plot([0, 1], [0, 1], linestyle="dashed", color="0.4", linewidth=1)
    axes.plot(nominal, inside, color=_GENERATIVE, linewidth=1.6)
    axes.set(xlabel="probability of the interval", ylabel="share of rows inside", xlim=(0, 1), ylim=(0, 1))


def _round_numbers(low: float, high: float) -> np.ndarray:
    """Up to four numbers such as 1, 2, 5, 10 between two positive ones."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = np.sort(np.ravel(np.outer(powers, steps)))
        found = found[(found >= low) & (found <= high)]
        if len(found) <= 4:
            return found
    return found[:: -(-len(found) // 4)]


def _short(name: str, length: int) -> str:
    """A name cut to a length."""
    return name if len(name) <= length else f"{name[: length - 1]}\u2026"
