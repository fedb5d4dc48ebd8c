"""Runs that build on an M1, and runs of baselines."""

import json
import shutil

import numpy as np
import pytest

from ssdgm_tf import models
from ssdgm_tf.configs import (
    baseline_digits,
    m1_digits,
    m1m2_digits,
    m2_digits,
    m2_pictures_digits,
    siddharth_multimnist_nested,
)
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.runs import checkpoints, plan, run, wording
from ssdgm_tf.runs.workdir import Workdir

SMALL = {"epochs": 2, "hidden_units": (16,), "latent_dim": 3, "num_importance_samples": 5}


def settings(module, arguments="seed=0", **fields):
    config = module.get_config(arguments).to_dict() | SMALL | fields
    return {"config": config, "precision": "float32", "jit_compile": "auto"}


@pytest.fixture(scope="module")
def m1(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("m1") / "run"
    return workdir, run.train(settings(m1_digits), workdir)


def test_m1_sees_no_label(m1):
    workdir, results = m1
    assert "error" not in results and "labels_only_error" not in results and results["bound_unlabelled"] < 0
    assert {path.stem for path in (workdir / "figures").glob("*.png")} == {
        *("learning_curves", "latent_space", "reconstructions", "samples")
    }
    assert "no labels" in (workdir / "report.html").read_text()


@pytest.mark.usefixtures("bare")
def test_m1m2_builds_on_it_and_counts_its_time(m1, tmp_path, digits):
    workdir, results_of_m1 = m1
    results = run.train(settings(m1m2_digits), tmp_path / "run", part_workdir=str(workdir))
    assert results["m1_seconds"] == results_of_m1["training_seconds"] < results["training_seconds"]
    model, first = checkpoints.load(tmp_path / "run" / "model.keras"), checkpoints.load(workdir / "model.keras")
    assert isinstance(model, models.M1M2) and not (tmp_path / "run" / "m1").exists()
    np.testing.assert_allclose(model.encode(digits.x_test)["z1"], first.encode(digits.x_test)["z"], rtol=1e-5)


@pytest.fixture(scope="module")
def labeller(tmp_path_factory):
    """An M2 with a noisy classifier, whose labels a second stage takes."""
    workdir = tmp_path_factory.mktemp("labeller") / "run"
    return workdir, run.train(settings(m2_digits, "labels=30,seed=0", classifier="noisy", prior="learned"), workdir)


def test_a_second_stage_has_the_labels_of_its_labeller(labeller, tmp_path):
    workdir, of_labeller = labeller
    results = run.train(settings(m2_pictures_digits, "labels=30,seed=0"), tmp_path / "run", part_workdir=str(workdir))
    assert results["error"] == of_labeller["error"] and results["ece"] == pytest.approx(of_labeller["ece"], abs=1e-6)
    assert 0 < results["labels_only_error"] < 1
    assert results["labeller_seconds"] == of_labeller["training_seconds"] < results["training_seconds"]
    model = checkpoints.load(tmp_path / "run" / "model.keras")
    assert isinstance(model, models.M2) and not model.recognition["y"].trainable_variables
    assert model.options.prior == "learned" and not (tmp_path / "run" / "labeller").exists()


@pytest.mark.parametrize("field", [{"labels": 40}, {"seed": 1}])
def test_a_second_stage_of_other_labels_is_refused(labeller, tmp_path, field):
    with pytest.raises(UserError, match=r"A run has the data, the labels and the seed of its labeller\. Received: config\."):
        run.train(settings(m2_pictures_digits, "labels=30,seed=0", **field), tmp_path, part_workdir=str(labeller[0]))


def test_a_model_that_needs_more_than_x_is_no_labeller(m1, tmp_path):
    with pytest.raises(UserError, match=r"--part must be a run of a model that infers y from x alone"):
        run.train(settings(m2_pictures_digits, "labels=30,seed=0"), tmp_path / "run", part_workdir=str(m1[0]))


def test_labels_that_people_gave_are_for_the_labeller(labeller, tmp_path):
    with pytest.raises(UserError, match=r"The labels of a second stage are those of its labeller"):
        given = LabelFile(tmp_path / "labels.jsonl")
        plan.make(settings(m2_pictures_digits, "labels=30,seed=0"), Workdir(tmp_path / "run"), str(labeller[0]), given)


def test_a_part_that_a_budget_ended_stays_as_it_is(tmp_path, m1):
    folder = Workdir(shutil.copytree(m1[0], tmp_path / "m1"))
    folder.results.write_text(json.dumps(m1[1] | {"budget_seconds": 5.0, "epochs_trained": 1}))
    part, whole = plan.make(settings(m1m2_digits), Workdir(tmp_path / "run"), str(folder.path), budget=60.0)
    assert part.is_finished and not whole.is_finished and not folder.was_cut(part.budget) and folder.was_cut(60.0)


@pytest.mark.usefixtures("bare")
def test_without_one_it_is_trained_first_and_never_again(tmp_path, monkeypatch):
    def small(argument=None, original=m1_digits.get_config):
        config = original(argument)
        config.update(SMALL | {"epochs": 1})
        return config

    monkeypatch.setattr(m1_digits, "get_config", small)
    first = run.train(settings(m1m2_digits), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "m1" / "config.json").read_text())["config"]["seed"] == 0
    (tmp_path / "run" / "results.json").unlink()
    # A resumed run has it in its own model.
    assert len(plan.make(settings(m1m2_digits), Workdir(tmp_path / "run"))) == 1
    again = run.train(settings(m1m2_digits), tmp_path / "run")
    assert again["error"] == first["error"] and again["m1_seconds"] == first["m1_seconds"]


@pytest.mark.parametrize(
    ("module", "data", "part"),
    [
        (m1m2_digits, "folder:photos", "folder:photos"),
        (baseline_digits, "folder:photos", "folder:photos"),
        (siddharth_multimnist_nested, "canvases:folder:photos", "folder:photos"),
    ],
)
def test_a_part_reads_images_as_the_whole_does(module, data, part, tmp_path):
    fields = {"data": data, "resize": "8x9", "bad_examples": "drop"}
    own = {"m1": "m1_digits", "model": "nearest_neighbours"} if module is baseline_digits else {}
    first, _ = plan.make(settings(module, **fields, **own), Workdir(tmp_path))
    assert {name: first.settings["config"][name] for name in fields} == fields | {"data": part}


@pytest.mark.parametrize(
    ("module", "fields", "message"),
    [
        (m1m2_digits, {"seed": 1}, "config.seed=1, where .* has 0"),
        (m1m2_digits, {"likelihood_scale": 0.5}, "config.likelihood_scale=0.5, where .* has 0.25"),
        (m1m2_digits, {"prior": "flat"}, "prior must be one of"),
        (m1m2_digits, {"m1": "m1_typo"}, "config.m1 must be one of .*Received: config.m1='m1_typo'"),
        (m1m2_digits, {"model": "m2"}, "m2 takes none of these. Received: config.*m1='m1_digits'"),
        (m1m2_digits, {"m1": ""}, "--part needs a config that builds on another run"),
        (baseline_digits, {"m1": "m1_digits", "preprocessing": "pca:5"}, "config.preprocessing='pca:5', where"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(module, fields, message, m1, tmp_path):
    with pytest.raises(UserError, match=message):
        run.train(settings(module, **fields), tmp_path / "run", part_workdir=str(m1[0]))
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_model_is_no_m1(tmp_path, m1):
    folder = run.Workdir(tmp_path / "no_m1")
    folder.claim(settings(m1_digits))
    m2 = models.M2(10, 2, hidden_units=(4,))
    m2.build((None, 8, 8, 1))
    m2.save(folder.model)
    run.write_json(folder.results, m1[1])
    folder.report.write_text("")
    with pytest.raises(UserError, match=r"--part must be a run of a model without labels, M1\. Received: .* of a M2"):
        run.train(settings(m1m2_digits), tmp_path / "run", part_workdir=str(folder.path))


def test_a_part_that_is_not_finished_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--part must be the folder of a finished run\. Received: .*, without results"):
        run.train(settings(m1m2_digits), tmp_path / "run", part_workdir=str(tmp_path / "typo"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": None}, r"must have every field of a run.* Received: .*config.json, without config.resize"),
        ({"old_field": 3}, r"has the fields of its model, and .* has others: .* Received: config.old_field=3"),
    ],
)
def test_a_part_of_an_older_version_is_refused(change, message, tmp_path):
    older = settings(m1_digits, **change)
    older["config"] = {name: value for name, value in older["config"].items() if (name, value) != ("resize", None)}
    run.write_json(tmp_path / "config.json", older)
    run.write_json(tmp_path / "results.json", {})
    with pytest.raises(UserError, match=message):
        plan.make(settings(m1m2_digits), Workdir(tmp_path / "run"), str(tmp_path))


def test_a_part_that_is_trained_first_has_what_the_whole_needs(tmp_path):
    """The data, the seed and the networks."""
    whole = settings(m1m2_digits, seed=3, likelihood="bernoulli")
    part, _ = plan.make(whole, Workdir(tmp_path))
    of_part = part.settings["config"]
    assert of_part["hidden_units"] == (16,) and of_part["likelihood"] == "bernoulli" and of_part["seed"] == 3
    canvases = siddharth_multimnist_nested.get_config().to_dict()
    whole = {"config": canvases | {"data": "canvases:digits"}, "precision": "float32", "jit_compile": "auto"}
    part, _ = plan.make(whole, Workdir(tmp_path))
    assert part.settings["config"]["data"] == "digits"


@pytest.mark.parametrize("features", ["", "m1_digits"])
def test_baselines_run_on_pixels_and_on_features(features, m1, tmp_path, digits):
    fields = {"model": "nearest_neighbours", "m1": features}
    results = run.train(settings(baseline_digits, **fields), tmp_path / "run", part_workdir=features and str(m1[0]))
    assert results["test_images"] == len(digits.y_test) and 0 < results["error"] < 0.9
    assert ("m1_seconds" in results) == bool(features)
    assert np.sum(results["confusion"]) == len(digits.y_test) and len(results["recall"]) == 10
    assert 1 - np.trace(results["confusion"]) / len(digits.y_test) == pytest.approx(results["error"])
    assert not (tmp_path / "run" / "model.keras").exists()
    with pytest.raises(UserError, match=r"A workdir holds one config.* Received: config.epochs = 99"):
        run.train(settings(baseline_digits, **fields, epochs=99), tmp_path / "run", part_workdir=features and str(m1[0]))
    assert "nearest neighbours" in wording.summary(results, settings(baseline_digits, **fields)["config"])


def test_a_baseline_that_does_not_take_the_data_says_so(tmp_path):
    fields = {"model": "convolutional_network", "preprocessing": "pca:5"}
    with pytest.raises(UserError, match="convolutional_network does not take these data"):
        run.train(settings(baseline_digits, **fields), tmp_path / "run")
