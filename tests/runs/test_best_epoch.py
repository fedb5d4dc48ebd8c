"""Runs with hours: a budget of time, the best epoch kept, and both over several starts."""

import json

import keras
import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import averages, best_epoch, callbacks, checkpoints, run, wording
from ssdgm_tf.runs.workdir import Workdir
from tests.runs.test_run import settings

SECONDS = 10.0
#: Four epochs whose errors differ.
FIELDS = {"num_validation": 200, "epochs": 4, "keep": "best", "learning_rate": 0.003}


class Clock:
    """The time; an epoch lasts ten seconds, and nothing else takes time."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(callbacks, "time", clock)
    validate = averages.AveragedValidation.on_test_end

    def later(self, logs=None):
        validate(self, logs)
        clock.now += SECONDS

    monkeypatch.setattr(averages.AveragedValidation, "on_test_end", later)
    return clock


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits in a file: those of the package have no validation set."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    of_all = data.load_digits(0, 0)
    np.savez(path, x_train=of_all.x_train, y_train=of_all.y_train, x_test=of_all.x_test, y_test=of_all.y_test)
    return f"npz:{path}"


@pytest.fixture
def train(digits):
    def train(folder, budget=None, **fields):
        asked = settings(**FIELDS | {"data": digits} | fields)
        return run.train(asked, folder, execution=run.Execution(0.0, budget=budget))

    return train


def rows(folder):
    return Workdir(folder).load_metrics()


def weights(path):
    return [weight.numpy() for weight in checkpoints.load(path).weights]


def assert_equal(one, other):
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_the_score_is_the_mean_error_of_classes_then_the_bound():
    logs = {
        "val_loss": 3.0,
        "val_a_error": 0.1,
        "val_b_error": 0.3,
        "error": 0.0,
        "val_b_ece": 1.0,
        "val_bound_unlabelled": -9,
    }
    assert best_epoch.score(logs) == pytest.approx([0.2, 9.0])
    assert best_epoch.score({"val_loss": 3.0, "val_mae": 1.0, "val_bound_unlabelled": -7.0}) == [0.0, 7.0]
    assert best_epoch.score(logs | {"val_a_error": float("nan")})[0] == float("inf")
    assert best_epoch.score(logs | {"val_bound_unlabelled": -8}) < best_epoch.score(logs)  # a tie, which the bound decides


class Logs:
    """In the place of a model: its epochs have planted logs, and saving it notes the number of the epoch."""

    def __init__(self, folder, monkeypatch):
        self.best, self.saved = best_epoch.BestEpoch(folder), []
        self.best.set_model(self)
        self.optimizer = keras.optimizers.SGD()
        monkeypatch.setattr(checkpoints, "replace", lambda model, path: (self.saved.append(self.epoch), path.touch()))

    def show(self, epoch, error, bound=-1.0):
        self.epoch = epoch
        self.best.on_epoch_end(epoch - 1, {"val_error": error, "val_bound_unlabelled": bound})


def test_an_epoch_that_is_not_finite_is_no_best_one(tmp_path, monkeypatch):
    logs = Logs(Workdir(tmp_path), monkeypatch)
    for epoch, error in enumerate([float("nan"), 0.5, float("nan"), 0.4], start=1):
        logs.show(epoch, error)
    assert logs.saved == [1, 2, 4] and best_epoch.kept(Workdir(tmp_path))["epoch"] == 4


def test_a_best_epoch_after_the_last_checkpoint_stays_the_best(tmp_path, monkeypatch):
    """A run killed in epoch 8 goes on from its checkpoint of epoch 5; its best epoch was 7."""
    before = Logs(Workdir(tmp_path), monkeypatch)
    for epoch, error in ((5, 0.3), (7, 0.1)):
        before.show(epoch, error)
    again = Logs(Workdir(tmp_path), monkeypatch)
    again.show(6, 0.2)
    assert not again.saved and best_epoch.kept(Workdir(tmp_path))["epoch"] == 7
    again.show(9, 0.05)
    assert again.saved == [9]


@pytest.mark.usefixtures("bare")
def test_the_best_epoch_is_measured_and_served(train, tmp_path, monkeypatch):
    """Errors are planted; the weights of each epoch are noted as it ends."""
    planted, noted = [0.4, 0.2, 0.3, 0.25], []

    class Plant(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_error"] = planted[epoch]
            noted.append([weight.numpy() for weight in self.model.weights])

    monkeypatch.setattr(run.training, "AveragedValidation", Plant)  # the callback before those that write
    results = train(tmp_path)
    assert results["epoch_kept"] == 2 and "budget_seconds" not in results
    assert_equal(weights(tmp_path / "model.keras"), noted[1])
    assert_equal(weights(tmp_path / "last.keras"), noted[3])
    before = checkpoints.previous(tmp_path / "model.keras")  # what it was before it learned the known examples
    assert_equal(weights(before), noted[1])


@pytest.mark.usefixtures("unmeasured")
def test_a_budget_ends_a_run_before_the_epoch_that_it_does_not_allow(train, tmp_path, clock):
    results = train(tmp_path, budget=35.0)
    assert [row["epoch"] for row in rows(tmp_path)] == [1, 2, 3]
    assert (results["epochs_trained"], results["budget_seconds"]) == (3, 35.0)
    summary = wording.summary(results, settings(**FIELDS)["config"])
    assert "\n  ended by its budget of 35s: 3 of 4 epochs\n" in f"{summary}\n"
    assert f"\n  kept the weights of epoch {results['epoch_kept']}, the best one by validation\n" in f"{summary}\n"
    assert train(tmp_path, budget=35.0) == results and clock.now == 3 * SECONDS


@pytest.mark.usefixtures("unmeasured")
def test_a_larger_budget_goes_on_and_ends_as_if_it_had_been_given_at_once(train, tmp_path, clock):
    train(tmp_path / "twice", budget=15.0)
    assert len(rows(tmp_path / "twice")) == 1
    first = train(tmp_path / "twice", budget=3600.0)
    second = train(tmp_path / "once")
    assert "budget_seconds" not in first and first["epoch_kept"] == second["epoch_kept"]
    for name in ("model.keras", "last.keras"):
        assert_equal(weights(tmp_path / "twice" / name), weights(tmp_path / "once" / name))
    assert [row["seconds"] for row in rows(tmp_path / "twice")] == [10.0, 20.0, 30.0, 40.0]
    assert json.loads((tmp_path / "twice" / "results.json").read_text()) == first


@pytest.mark.usefixtures("unmeasured")
def test_a_budget_that_an_interrupted_run_has_used_up_trains_nothing_more(train, tmp_path, clock, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.trusting, "learn_known_examples", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        train(tmp_path, budget=25.0)
    assert not (tmp_path / "results.json").exists() and (tmp_path / "last.keras").exists()
    assert train(tmp_path, budget=25.0)["epochs_trained"] == 2 and clock.now == 2 * SECONDS
    assert train(tmp_path)["epoch_kept"] in range(1, 5) and len(rows(tmp_path)) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_an_interruption_between_two_renames_loses_nothing(train, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(best_epoch.shutil, "copyfile", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        train(tmp_path)
    before = weights(tmp_path / "last.keras")
    train(tmp_path)
    assert_equal(weights(tmp_path / "last.keras"), before)
    assert_equal(weights(tmp_path / "model.keras"), weights(tmp_path / "best.keras"))


@pytest.mark.usefixtures("unmeasured")
def test_the_averaged_weights_are_validated_and_kept(train, digits, tmp_path):
    """The validation of an epoch is that of the kept weights; training does not notice."""
    fields = {"consistency": "mean_teacher", "ema_momentum": 0.9}
    results = train(tmp_path / "best", **fields)
    best = checkpoints.load(tmp_path / "best" / "model.keras")
    dataset = data.load(digits, 30, 0, num_validation=200)
    error = best.evaluate(dataset.x_validation, dataset.y_validation, verbose=0, return_dict=True)["error"]
    row = rows(tmp_path / "best")[results["epoch_kept"] - 1]
    assert error == pytest.approx(row["val_error"], abs=1e-6)
    train(tmp_path / "last", **fields, keep="last")
    assert_equal(weights(tmp_path / "last" / "model.keras"), weights(tmp_path / "best" / "last.keras"))


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("budget", [None, 15.0])
def test_models_of_parts_have_the_epochs_that_the_run_kept(train, tmp_path, clock, budget):
    results = train(tmp_path, budget=budget, keep="last" if budget else "best")
    run.calibrate(Workdir(tmp_path), None, False, "folds", 2, "temperature")
    config = json.loads((tmp_path / "folds" / "1_of_2" / "config.json").read_text())["config"]
    assert config["keep"] == "last" and config["epochs"] == (results["epoch_kept"] if budget is None else 1)


@pytest.mark.parametrize(
    ("fields", "budget", "message"),
    [
        ({"keep": "first"}, None, r"config\.keep must be one of last, best\. Received: config\.keep='first'"),
        ({"num_validation": 0}, None, r"chooses by validation examples.* Received: npz:.* without any"),
        ({"model": "logistic"}, None, r"config\.keep is for models: a baseline keeps its last weights"),
        ({"model": "logistic", "keep": "last"}, 9.0, r"--budget is for models, on one machine.* Received: logistic"),
    ],
)
def test_what_cannot_be_kept_is_refused(train, tmp_path, fields, budget, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, budget, **fields)
    assert not list(tmp_path.iterdir())
