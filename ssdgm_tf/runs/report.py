"""The report of a run: figures as PNG files, and one HTML page that holds them all."""

import base64
import html
from pathlib import Path
from string import Template

import numpy as np
from scipy import stats

from ssdgm_tf import models, plots
from ssdgm_tf.data import SemiSupervisedData, directions
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.runs import build
from ssdgm_tf.runs.workdir import Workdir, write_text

_CAPTIONS = {
    "learning_curves": "Learning curves. Left: the bound U(x) per example. Middle: the share of wrong labels; on the few "
    "labelled examples it soon reaches 0. Right: what the latent variables cost, on unlabelled examples.",
    "reconstructions": "Test images and what the model makes of their likeliest label and their mean latent variables.",
    "samples": "Images drawn from the model. Where it has labels, a class per row: the label held, the style drawn from its "
    "prior.",
    "analogies": "Analogies. Each row: a test image, then every label in its style. The style should stay along a row, the "
    "label along a column.",
    "styles": "Style exploration. A mosaic per label: the label held, the two style dimensions that differ most between "
    "test images varied over the quantiles of their prior, the others at the mean of the test images.",
    "one_face": "One face under every lighting: who it is and its style are held, the direction of the light varied. Above: "
    "its azimuth in degrees, from one side to the other; left: its elevation.",
    "one_lighting": "One lighting on every face: lighting and style of the first image, which is of the test set, and every "
    "identity.",
    "lightings": "Test images, and the same face in the same style under light from one side to the other.",
    "decomposition": "Canvases of the test set, what the model makes of them, and the digits that it says are there, one "
    "after the other. Left: the true count and, after the arrow, the one inferred.",
    "latent_space": "The last latent variable of test images, coloured by label. For a style: the more mixed, the better "
    "label and style are separated; for the features of a model without labels, the other way round.",
}
# Canvases that are taken apart.
_CANVASES = 10
# Values of each of the two dimensions of a style that is explored.
_QUANTILES = 7
_PAGE = Template(Path(__file__).with_name("report_template.html").read_text())


def figures(model: GraphicalModel, dataset: SemiSupervisedData, rows: list[dict], seed: int) -> dict:
    """Every figure of a finished run, {name: matplotlib figure}; those of images where the data are images."""
    shown = np.random.default_rng(seed).permutation(len(dataset.x_test))
    made = {"learning_curves": plots.learning_curves(rows, dataset.monitored[-1])}
    of_model = {models.Faces: _of_faces, models.MultiDigit: _of_canvases}.get(type(model), _of_classes)
    return made | of_model(model, dataset, shown, seed)


def _of_faces(model, dataset, shown, seed):
    """A face under every lighting, a lighting on every face."""
    few = dataset.x_test[_well_lit(dataset, shown)[:6]]
    azimuths, elevations = np.arange(-75, 76, 25), np.array([60, 30, 0, -30])
    grid = directions(*(angles.ravel() for angles in np.meshgrid(azimuths, elevations)))
    relit = model.analogies(few[:1], vary={"lighting": grid})[0]
    faces = model.analogies(few[:1], vary={"identity": np.arange(dataset.num_classes)})[0]
    across = directions(azimuths, np.zeros_like(azimuths))
    degrees = [f"{angle}°" for angle in azimuths]
    return {
        "reconstructions": plots.reconstructions(few, model.reconstruct(few)),
        "one_face": plots.grid(
            relit.reshape((len(elevations), len(azimuths), *relit.shape[1:])), [f"{angle}°" for angle in elevations], degrees
        ),
        "one_lighting": plots.gallery(np.concatenate([few[:1], faces])),
        "lightings": plots.varied(few, model.analogies(few, vary={"lighting": across}), degrees),
    }


def _well_lit(dataset, shown):
    """`shown`, those that are lit from somewhere in front first: of the others a person sees little."""
    return shown[np.argsort(dataset.y_test["lighting"][shown, 2] <= 0.8, kind="stable")]


def _of_canvases(model, dataset, shown, seed):
    """Canvases, and what digits the model finds on them."""
    index = shown[np.argsort(dataset.y_test["count"][shown[:_CANVASES]], kind="stable")]
    x, true = dataset.x_test[index], dataset.y_test["count"][index]
    found = model.predict(x, verbose=0)
    counts = found["count"].argmax(axis=-1)
    # With 0, 1, 2, ... digits: each canvas has one more than the one before.
    layered = model.analogies(x, vary={"count": np.arange(found["count"].shape[-1])})
    digits = np.diff(layered, axis=1) * (np.arange(layered.shape[1] - 1) < counts[:, None])[..., None, None, None]
    labels = [f"{n} \u2192 {m}" for n, m in zip(true, counts, strict=True)]
    columns = ["canvas", "model", *(f"digit {k + 1}" for k in range(digits.shape[1]))]
    whole = layered[np.arange(len(x)), counts]
    names = None
    if "digit_1" in found:
        classes = np.stack([found[f"digit_{k + 1}"].argmax(axis=-1) for k in range(digits.shape[1])], axis=1)
        names = [[str(c) if k < m else "" for k, c in enumerate(row)] for row, m in zip(classes, counts, strict=True)]
    return {
        "decomposition": plots.decomposition(
            np.stack([x, whole, *np.moveaxis(digits, 1, 0)], axis=1), labels, columns, names
        )
    }


def _of_classes(model, dataset, shown, seed):
    """Images of every label, and what their styles are."""
    few, _ = build.examples(model, dataset.x_test[shown[:10]], dataset.y_test[shown[:10]])
    some, _ = build.examples(model, dataset.x_test[shown[:1000]], dataset.y_test[shown[:1000]])
    codes = model.encode(some)[model.graph.latent[-1]]
    made = {"latent_space": plots.latent_space(codes, dataset.y_test[shown[:1000]])}

    def images(values):
        return dataset.to_images(values["x"] if isinstance(values, dict) else values)

    if images(few).ndim < 4:
        return made
    knows_labels = "y" in model.generative
    labels_drawn = np.repeat(np.arange(dataset.num_classes), 10)
    given = {"y": labels_drawn} if knows_labels else None
    drawn = images(model.generate(given, num_samples=len(labels_drawn), seed=seed))
    made |= {
        "reconstructions": plots.reconstructions(images(few), images(model.reconstruct(few))),
        "samples": plots.samples(drawn.reshape((dataset.num_classes, 10, *drawn.shape[1:]))),
    }
    if knows_labels:
        varied = model.analogies(few, vary={"y": np.arange(dataset.num_classes)})
        made["analogies"] = plots.analogies(images(few), images(varied))
    if knows_labels and codes.shape[1] > 1:
        made["styles"] = _styles(model, codes, dataset.num_classes, images, seed)
    return made


def _styles(model, codes, num_classes, images, seed):
    """Images of every label over a grid of the two dimensions of the style in which the codes [N, D] differ most."""
    points, dimensions = style_grid(codes)
    labels = np.repeat(np.arange(num_classes), _QUANTILES**2)
    given = {"y": labels, model.graph.latent[-1]: np.tile(points.reshape(-1, codes.shape[1]), (num_classes, 1))}
    drawn = images(model.generate(given, seed=seed))
    return plots.styles(drawn.reshape((num_classes, *points.shape[:2], *drawn.shape[1:])), dimensions)


def style_grid(codes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Styles [V, V, D] over quantiles of a standard normal prior, of the two dimensions in which the codes differ most.

    The others stay at the mean of the codes [N, D], not at zero: where training was short, images may lie to one side of
    the prior. Returns the two dimensions too; rows are the first of them.
    """
    first, second = (int(d) for d in np.argsort(-codes.var(axis=0))[:2])
    quantiles = stats.norm.ppf(np.linspace(0.05, 0.95, _QUANTILES))
    points = np.tile(codes.mean(axis=0), (_QUANTILES, _QUANTILES, 1))
    points[..., first], points[..., second] = quantiles[:, None], quantiles
    return points, (first, second)


def write(model: GraphicalModel, dataset: SemiSupervisedData, settings: dict, results: dict, folder: Workdir) -> None:
    """Writes figures/*.png and report.html into the run's folder."""
    folder.figures.mkdir(exist_ok=True)
    blocks = []
    for name, figure in figures(model, dataset, folder.load_metrics(), settings["config"]["seed"]).items():
        path = folder.figures / f"{name}.png"
        figure.savefig(path, dpi=130)
        encoded = base64.b64encode(path.read_bytes()).decode()
        caption = html.escape(_CAPTIONS[name])
        blocks.append(
            f'<figure><img alt="{name}" src="data:image/png;base64,{encoded}"><figcaption>{caption}</figcaption></figure>'
        )
    config = settings["config"]
    page = _PAGE.substitute(
        title=html.escape(f"{build.title(config)} on {config['data']}, {build.labels(config)}"),
        results=_table(_result_rows(results)),
        figures="\n".join(blocks),
        settings=_table((settings | config | results["environment"]).items(), leave_out=("config",)),
    )
    write_text(folder.report, page)


def _result_rows(results: dict) -> list[tuple[str, str]]:
    titles = {
        "": "",
        "labels_only_": ", networks like those of q(y|...) on the labels alone",
        "nearest_neighbour_": ", nearest labelled neighbour",
    }
    rows = [
        (f"Test {name.replace('_', ' ')}{titles[prefix]}", build.with_unit(name, value))
        for name, of_whom in build.compared(results).items()
        for prefix, value in of_whom.items()
    ]
    rows += [
        ("Test bound U(x)", f"{results['bound_unlabelled']:.2f} nats"),
        (
            f"Importance-weighted bound on log p(x), {results['log_likelihood_samples']} samples, "
            f"{results['log_likelihood_images']} images",
            f"{results['log_likelihood']:.2f} nats",
        ),
    ]
    if "ece" in results:
        rows += [
            ("Expected calibration error of q(y|x)", f"{results['ece']:.3f}"),
            ("Negative log q(y|x) of the test labels", f"{results['classification_loss']:.3f} nats"),
        ]
    if "m1_seconds" in results:
        rows.append(("Training time of its M1, a part of the next line", f"{results['m1_seconds']:.0f} s"))
    return [*rows, ("Test images", str(results["test_images"])), ("Training time", f"{results['training_seconds']:.0f} s")]


def _table(rows, leave_out=()) -> str:
    cells = (
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows
        if name not in leave_out
    )
    return f"<table>{''.join(cells)}</table>"
