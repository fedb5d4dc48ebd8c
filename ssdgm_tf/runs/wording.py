"""The words for a run and its figures: titles, numbers with units, and the summary that a command prints."""

from collections.abc import Mapping
from typing import Any

from ssdgm_tf import durations
from ssdgm_tf.models import zoo

#: What a model is compared with, by the prefix of the names in its results.
COMPARED = {
    "labels_only_": "network, labels only",
    "nearest_neighbour_": "nearest neighbour",
    "gradient_boosting_": "boosted trees",
    "guess_": "commonest or mean",
}


def title(config: Mapping[str, Any]) -> str:
    """The name of the model or baseline in a report.

    Args:
        config: the fields.
    """
    name = config["model"]
    return zoo.find(name).model.__name__ if name in zoo.names() else name.replace("_", " ")


def labels(config: Mapping[str, Any]) -> str:
    """How many labels the model sees, in words.

    Args:
        config: the fields.
    """
    if config["model"] in zoo.names() and not zoo.find(config["model"]).uses_labels:
        return "no labels"
    return f"{config['labels']} labels" if config["labels"] else "all labels"


def errors(results: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The test errors of a run by name, each beside those of the comparisons.

    Args:
        results: the results of a run.

    Returns:
        {name: {"": the model's, "labels_only_": ..., "nearest_neighbour_": ...}}.
    """
    ends = ("error", "_degrees", "mae", "rmse")
    names = [name for name in results if name.endswith(ends) and not name.startswith(tuple(COMPARED))]
    return {
        name: {prefix: results[prefix + name] for prefix in ("", *COMPARED) if prefix + name in results} for name in names
    }


def task(errors: list[str], shape: tuple[int, ...]) -> str:
    """What a model predicts, in the words of model hubs.

    Args:
        errors: the names of its test errors.
        shape: the shape of an example.
    """
    if not any(name.endswith("error") for name in errors):
        return "tabular-regression" if len(shape) == 1 else "other"
    return {1: "tabular-classification", 3: "image-classification"}.get(len(shape), "other")


def with_unit(name: str, error: float) -> str:
    """An error with its unit: a share of wrong labels in percent, an angle in degrees.

    Args:
        name: the name of its metric.
        error: its value.
    """
    if name.endswith("error"):
        return f"{100 * error:.2f} %"
    if name.endswith("degrees"):
        return f"{error:.2f} degrees"
    return f"{error:.3f}" if abs(error) < 10 else f"{float(f'{error:.4g}'):.10g}"  # four digits


def examples(results: Mapping[str, Any]) -> str:
    """What the examples are: "images", "series", or "rows" of a table.

    Args:
        results: the results of a run.
    """
    return results.get("examples", "images")


def nats(results: Mapping[str, Any]) -> str:
    """The unit of the bounds on log p(x). After a preprocessing they are of its values.

    Args:
        results: the results of a run.
    """
    return f"nats of the {results['values']} values" if "values" in results else "nats"


def error_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table: the name and the value of each test error.

    Args:
        results: the results of a run.
    """
    return [
        (f"Test {name.replace('_', ' ')}" + (f": {COMPARED[prefix]}" if prefix else ""), with_unit(name, value))
        for name, of_each in errors(results).items()
        for prefix, value in of_each.items()
    ]


def _endings(results: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """What a budget and config.keep="best" did to a run, a line each.

    Args:
        results: the results of the run.
        config: its fields.
    """
    found = []
    if "budget_seconds" in results:
        budget = durations.in_words(results["budget_seconds"])
        found.append(f"  ended by its budget of {budget}: {results['epochs_trained']} of {config['epochs']} epochs")
    if "epoch_kept" in results:
        found.append(f"  kept the weights of epoch {results['epoch_kept']}, the best one by validation")
    return found


def summary(results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The last lines that a command prints.

    Args:
        results: the results of the run.
        config: its fields.
    """
    lines = [f"{config['data']}, {labels(config)}, seed {config['seed']}: {results['test_images']} test {examples(results)}"]
    titles = {"": title(config)} | COMPARED
    width = max([17, *(len(name) + 1 for name in errors(results))])
    for name, of_each in errors(results).items():
        for prefix, error in of_each.items():
            number, _, unit = with_unit(name, error).partition(" ")
            lines.append(f"  test {name.replace('_', ' '):<{width}}{titles[prefix]:<24}{number:>7} {unit}".rstrip())
    lines += _endings(results, config)
    if "bound_unlabelled" in results:
        unit = nats(results)
        lines += [
            f"  test bound  U(x)                        {results['bound_unlabelled']:7.2f} {unit}",
            f"  log p(x) >= {results['log_likelihood_samples']:>4} samples, {results['log_likelihood_images']:>4} "
            f"{examples(results):<6}   {results['log_likelihood']:7.2f} {unit}",
        ]
    if "ece" in results:
        lines.append(f"  ECE         of q(y|x)                   {results['ece']:8.3f}")
    return "\n".join(lines)
