"""Runs of models with several supervised variables: faces, and canvases of digits with and without a model inside."""

import functools
import json

import numpy as np
import pytest

from ssdgm_tf import data, models
from ssdgm_tf.configs import m2_digits, siddharth_faces, siddharth_multimnist, siddharth_multimnist_nested
from ssdgm_tf.configs.common import PLAIN
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import building, checkpoints, run, wording
from ssdgm_tf.runs.loading import load_data
from tests.runs.test_run import OF_CLASSES

SMALL = {"epochs": 1, "hidden_units": (16,), "latent_dim": 3, "num_importance_samples": 2, "labels_first_steps": 2}


def settings(module, arguments, **fields):
    config = module.get_config(arguments).to_dict() | SMALL | fields
    return {"config": config, "precision": "float32", "jit_compile": "auto"}


@pytest.fixture
def faces(tmp_path):
    generator, size = np.random.default_rng(0), 90
    np.savez(
        tmp_path / "faces.npz",
        x=generator.integers(256, size=(size, 24, 21, 1), dtype=np.uint8),
        y=np.arange(size) % 3,
        azimuth_deg=generator.uniform(-30, 30, size),
        elevation_deg=generator.uniform(-30, 30, size),
    )
    return {"data": f"faces:{tmp_path / 'faces.npz'}"}


@pytest.fixture
def canvases(monkeypatch):
    """Few and small ones, of at most one of scikit-learn's digits."""
    monkeypatch.setattr(data.sources, "_NUM_CANVASES", (120, 30))
    monkeypatch.setattr(data.sources, "make_canvases", functools.partial(data.make_canvases, canvas_size=20, max_digits=1))
    return {"data": "canvases:digits", "num_validation": 20}


@pytest.mark.slow
def test_a_run_of_faces(faces, tmp_path):
    asked = settings(siddharth_faces, "labels=30", **faces)
    results = run.train(asked, tmp_path / "run")
    for name in ("identity_error", "lighting_degrees"):
        for prefix in ("", "labels_only_", "nearest_neighbour_"):
            assert np.isfinite(results[prefix + name])
    written = {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")}
    assert written == {
        "learning_curves",
        "reconstructions",
        "one_face",
        "one_lighting",
        "lightings",
        *(f"identity_{of}" for of in OF_CLASSES),
    }
    text = wording.summary(results, asked["config"])
    assert f"lighting degrees Faces {results['lighting_degrees']:.2f} degrees" in " ".join(text.split())
    assert "degrees" in (tmp_path / "run" / "report.html").read_text()
    assert run.train(asked, tmp_path / "run") == results


def test_light_comes_from_where_the_labels_say_that_lamps_are(faces):
    def prior(**fields):
        asked = settings(siddharth_faces, "labels=30", **faces, **fields)
        dataset = load_data(asked["config"], None, False)
        return dataset, building.model(asked, dataset).generative["lighting"].distribution()

    dataset, p = prior()
    labelled = dataset.y_train["lighting"][dataset.is_labelled]
    lamps = p.components_distribution.mean_direction.numpy()
    np.testing.assert_allclose(lamps[np.argmax(labelled @ lamps.T, axis=1)], labelled, atol=1e-3)
    assert len(lamps) == len(np.unique(labelled.round(4), axis=0)) == 30
    np.testing.assert_allclose(p.components_distribution.concentration, 5000.0, rtol=1e-4)
    assert not hasattr(prior(lamp_concentration=None)[1], "components_distribution")
    assert not hasattr(prior(supervised="identity")[1], "components_distribution")


@pytest.mark.slow
def test_one_kind_of_label_alone(faces, tmp_path):
    asked = settings(siddharth_faces, "labels=30", supervised="lighting", **faces)
    results = run.train(asked, tmp_path / "run")
    assert "nearest_neighbour_lighting_degrees" in results and "nearest_neighbour_identity_error" not in results
    with pytest.raises(UserError, match=r"The variables with labels are identity, lighting. Received: pose"):
        run.train(settings(siddharth_faces, "labels=30", supervised="pose", **faces), tmp_path / "pose")


@pytest.mark.slow
def test_a_run_of_canvases(canvases, tmp_path):
    results = run.train(settings(siddharth_multimnist, "labels=40", **canvases), tmp_path / "run")
    assert {"count_error", "labels_only_count_error", "place_1_mae"} <= set(results) and "digit_1_error" not in results
    assert {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")} == {
        "learning_curves",
        "decomposition",
        *(f"count_{of}" for of in OF_CLASSES),
    }


@pytest.mark.slow
def test_a_run_where_the_count_alone_is_known(canvases, tmp_path):
    results = run.train(settings(siddharth_multimnist, "labels=40", supervised="count", **canvases), tmp_path / "run")
    assert "nearest_neighbour_count_error" in results and "nearest_neighbour_place_1_mae" not in results


@pytest.mark.slow
def test_a_model_of_digits_is_trained_first_and_nested(canvases, tmp_path, monkeypatch):
    fields = (
        m2_digits.get_config().to_dict() | PLAIN | {name: SMALL[name] for name in ("epochs", "hidden_units", "latent_dim")}
    )
    digits = {"config": fields | {"num_importance_samples": 2}, "precision": "float32", "jit_compile": "auto"}
    run.train(digits, tmp_path / "digits")
    asked = settings(siddharth_multimnist_nested, "labels=40", **canvases | {"digit_model": "m2_digits"})
    results = run.train(asked, tmp_path / "run", part_workdir=str(tmp_path / "digits"))
    assert 0 <= results["digit_1_error"] <= 1 and results["digit_model_seconds"] > 0
    nested = checkpoints.load(tmp_path / "run" / "model.keras").recognition["digit_1"]
    alone = checkpoints.load(tmp_path / "digits" / "model.keras").recognition["y"]
    for kept, original in zip(nested.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, original)
    (tmp_path / "run" / "results.json").unlink()  # as if it had stopped just before
    assert run.train(asked, tmp_path / "run", part_workdir=str(tmp_path / "digits"))["count_error"] == results["count_error"]
    shown = []
    monkeypatch.setattr(run.report, "write", lambda model, *_: shown.append(model))
    tuned = settings(siddharth_multimnist_nested, "labels=40", **canvases | {"digit_model": "m2_digits", "fine_tune": True})
    run.train(tuned, tmp_path / "tuned", part_workdir=str(tmp_path / "digits"))
    saved = checkpoints.load(tmp_path / "tuned" / "model.keras").get_weights()
    for drawn, weight in zip(shown[0].get_weights(), saved, strict=True):
        np.testing.assert_array_equal(drawn, weight)  # the labels-only network, measured between, has others
    other = json.loads((tmp_path / "digits" / "config.json").read_text())
    other["config"]["data"] = "npz:other.npz"
    (tmp_path / "digits" / "config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"the images that are on the canvases.*canvases:digits.* has 'npz:other.npz'"):
        run.train(asked, tmp_path / "refused", part_workdir=str(tmp_path / "digits"))
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"digit_model": "m9"}, "config.digit_model must be one of"),
        ({"model": "m2", "digit_model": "m2_digits"}, "m2 takes none of these. Received: config.*digit_model"),
        ({"model": "faces"}, "takes labels of identity, lighting. Received: canvases:digits, with labels of count"),
        ({"supervision_rate": 1.5}, "config.supervision_rate must lie between 0 and 1"),
        ({"classifier": "convolutional"}, "multi_digit has no classifier"),
        ({"balance": True}, "one supervised variable, which must be a class. Received: MultiDigit, with count, place_1"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(canvases, tmp_path, fields, message):
    with pytest.raises(UserError, match=message):
        run.train(settings(siddharth_multimnist, "labels=40", **canvases | fields), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_supervision_rate_takes_the_place_of_gamma(canvases):
    from ssdgm_tf import objectives

    asked = settings(siddharth_multimnist, "labels=40", **canvases, supervision_rate=0.3)
    dataset = load_data(asked["config"], None, False)
    model = building.model(asked, dataset)
    assert isinstance(model, models.MultiDigit)
    assert objectives.supervision_rate(model.gamma, 60, 40) == pytest.approx(0.3)
