"""What a run learns of its trained model, and `ssdgm-calibrate`."""

import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from ssdgm_tf import data, models, trust
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import run, trusting
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.workdir import Workdir
from tests.runs.test_run import settings

FIELDS = {"likelihood": "normal", "labels": 12, "epochs": 4, "batch_size": 20, "labelled_batch_size": 12}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An .npz of 210 images of two classes that overlap, 150 of them for training."""
    generator = np.random.default_rng(0)
    y = np.arange(210) % 2
    x = np.clip(generator.normal(0.35 + 0.3 * y[:, None, None], 0.3, (210, 4, 4)), 0, 1).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    return path


def trained(images, workdir, **fields):
    run.train(settings(**FIELDS | fields, data=f"npz:{images}"), workdir)
    return Workdir(workdir)


def calibrated(folder, by="folds", number=3):
    return run.calibrate(folder, None, False, by, number, "temperature")


@pytest.mark.usefixtures("bare")
def test_a_run_learns_what_is_known(images, tmp_path):
    folder = trained(images, tmp_path / "run")
    results, model = folder.load_results(), keras.models.load_model(folder.model)
    with np.load(images) as arrays:
        share = np.mean(model.is_novel(arrays["x_test"][..., None]))
    assert results["false_alarms"] == pytest.approx(share)
    assert len(model.known_examples.content.known) == 60


@pytest.mark.parametrize(("number", "held_out"), [(0, 0), (99, 0), (100, 100)])
def test_rates_are_those_of_a_validation_set_that_is_large_enough(number, held_out, digits):
    made = digits._replace(x_validation=digits.x_test[:number], y_validation=digits.y_test[:number])
    model = models.M2(num_classes=10, latent_dim=2, hidden_units=(4,))
    model.build((None, *digits.x_train.shape[1:]))
    known, others = trusting.known_examples(model, made)
    np.testing.assert_array_equal(known, made.x_train)
    if held_out:
        np.testing.assert_array_equal(others, made.x_validation)
    else:
        assert others is None


@pytest.mark.usefixtures("bare")
def test_folds_predict_what_their_models_did_not_see(images, tmp_path, monkeypatch):
    folder = trained(images, tmp_path / "run")
    before = keras.models.load_model(folder.model)
    seen = []
    fit = trusting.training.fit
    monkeypatch.setattr(
        trusting.training,
        "fit",
        lambda model, config, dataset, *rest: (seen.append(dataset), fit(model, config, dataset, *rest)),
    )
    old, new = calibrated(folder)
    dataset = load_data(folder.load_config()["config"], None, False)
    parts = data.folds(dataset.y_train, dataset.is_labelled, 3, 0)
    scores = []
    for k, of_fold in enumerate(seen):
        np.testing.assert_array_equal(of_fold.x_train, dataset.x_train[parts != k])
        np.testing.assert_array_equal(of_fold.y_train, dataset.y_train[parts != k])
        assert len(of_fold.x_test) == 4 and not len(of_fold.x_validation)
        other = keras.models.load_model(tmp_path / "run" / "folds" / f"{k + 1}_of_3" / "model.keras")
        left_out = (parts == k) & dataset.is_labelled
        probabilities = other.predict(dataset.x_train[left_out], verbose=0)
        scores.append(trust.class_scores(probabilities)[np.arange(4), dataset.y_train[left_out]])
    model = keras.models.load_model(folder.model)
    np.testing.assert_allclose(model.calibration["y"].scores, np.sort(np.concatenate(scores)), rtol=1e-5)
    for of_one, of_other in zip(before.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(of_one.numpy(), of_other.numpy())
    # The results are those of the calibrated model, and are in the folder.
    assert "set_coverage" not in old and 0 <= new["set_coverage"] <= 1 and 0 <= new["set_size"] <= 2
    assert new["error"] == old["error"] and new["ece"] != old["ece"]
    assert json.loads(folder.results.read_text()) == new
    # Again, it trains nothing.
    assert calibrated(folder)[1] == new
    assert keras.models.load_model(tmp_path / "run" / "folds" / "3_of_3" / "model.keras").num_steps == other.num_steps


@pytest.mark.usefixtures("bare")
def test_the_validation_set_trains_nothing(images, tmp_path):
    folder = trained(images, tmp_path / "run", num_validation=20)
    _, new = calibrated(folder, "validation")
    assert "set_coverage" in new and not (tmp_path / "run" / "folds").exists()
    assert len(keras.models.load_model(folder.model).calibration["y"].scores) == 20
    with pytest.raises(UserError, match="a run with a validation set"):
        calibrated(trained(images, tmp_path / "without"), "validation")


@pytest.mark.usefixtures("bare")
def test_the_command_prints_what_changed(images, tmp_path):
    folder = trained(images, tmp_path / "run", num_validation=20)
    words = [sys.executable, "-m", "ssdgm_tf.trainers.calibrate", f"--workdir={folder.path}", "--by=validation"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-500:]
    after = folder.load_results()
    assert f"sets of 90 % that hold the class      none -> {after['set_coverage']:.4f}" in done.stdout
    assert f"-> {after['ece']:.4f}" in done.stdout and str(folder.report) in done.stdout
    page = folder.report.read_text()
    assert f"Sets of 90 % that hold the true class</td><td>{100 * after['set_coverage']:.1f} %, of " in page
    assert "called novel, at a stated rate of 5 %" in page and (folder.figures / "reliability.png").exists()


@pytest.mark.usefixtures("bare")
def test_more_epochs_end_a_calibration(images, tmp_path):
    folder = trained(images, tmp_path / "run", num_validation=20)
    calibrated(folder, "validation")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run.train(settings(**FIELDS | {"epochs": 6}, data=f"npz:{images}", num_validation=20), tmp_path / "run")
    assert any("ends the calibration" in str(warning.message) for warning in caught)
    assert "set_coverage" not in folder.load_results()
    assert "false_alarms" in folder.load_results()


@pytest.mark.parametrize("number", [1, 13])
@pytest.mark.usefixtures("unmeasured")
def test_there_must_be_labels_for_each_fold(images, tmp_path, number):
    with pytest.raises(UserError, match="at least 2 and at most the number of labels"):
        calibrated(trained(images, tmp_path / "run"), number=number)


@pytest.mark.usefixtures("unmeasured")
def test_every_class_must_have_two_labels(images, tmp_path):
    """A model that saw no label of a class says nothing of it."""
    with pytest.raises(UserError, match="at least two"):
        calibrated(trained(images, tmp_path / "run", **{"labels": 2}), number=2)
    assert not (tmp_path / "run" / "folds").exists()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.slow
def test_folds_of_a_run_that_went_on_have_its_learning_rate(images, tmp_path, monkeypatch):
    folder = trained(images, tmp_path / "run", learning_rate_schedule="cosine")
    calibrated(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained(images, tmp_path / "run", learning_rate_schedule="cosine", epochs=8)
    steps = []
    fit = trusting.training.fit

    def watched(model, *rest):
        steps.append(model.optimizer._learning_rate.decay_steps)
        return fit(model, *rest)

    monkeypatch.setattr(trusting.training, "fit", watched)
    calibrated(folder)
    assert steps == [8 * 5] * 3


@pytest.mark.usefixtures("unmeasured")
def test_a_model_without_classes_is_refused(images, tmp_path):
    folder = trained(images, tmp_path / "run", model="vae")
    with pytest.raises(UserError, match="models that infer a class"):
        calibrated(folder)


def test_every_fold_has_its_share():
    y = np.repeat([-1, 0, 1, 2], [50, 10, 7, 3])
    parts = data.folds(y, y >= 0, 5, seed=1)
    for size in (50, 10, 7, 3):
        label = {50: -1, 10: 0, 7: 1, 3: 2}[size]
        counts = np.bincount(parts[y == label], minlength=5)
        assert counts.max() - counts.min() <= 1 and counts.sum() == size
    assert np.all(np.bincount(parts) == 14)
    np.testing.assert_array_equal(parts, data.folds(y, y >= 0, 5, seed=1))
    assert np.any(parts != data.folds(y, y >= 0, 5, seed=2))
    several = {"where": np.where(y[:, None] >= 0, 1.0, np.nan), "who": y}
    np.testing.assert_array_equal(parts, data.folds(several, y >= 0, 5, seed=1))
