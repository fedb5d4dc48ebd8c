"""Runs that learn from the labels that people gave."""

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.runs import checkpoints, run
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.workdir import Workdir
from tests.runs.test_run import settings

DIGITS = data.load("digits", 30, 0)
HIDDEN = np.flatnonzero(DIGITS.y_train < 0)[:6].tolist()
NAMES = {"y": [str(k) for k in range(10)]}

pytestmark = pytest.mark.usefixtures("unmeasured")


def given(path, *events):
    file = LabelFile(path)
    for event in events:
        file.append([{"variable": "y", **event}], DIGITS.x_train, NAMES)
    return path


def label(index, value):
    return {"event": "label", "index": index, "value": value}


def test_a_run_learns_from_them_and_keeps_them(tmp_path, capsys):
    file = given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3), label(HIDDEN[1], 4), {"event": "none", "index": HIDDEN[2]})
    run.train(settings(epochs=1), str(tmp_path / "run"), labels=str(file))
    said = capsys.readouterr().out
    assert "Labels of people: 2 from" in said
    assert "left out are 1 of none of the classes" in said
    assert "N = 1264 unlabelled, M = 32 labelled" in said
    folder = Workdir(tmp_path / "run")
    file.unlink()
    loaded = load_data(folder.load_config()["config"], None, False, folder)
    assert len(loaded.x_train) == 1296
    assert loaded.y_train[HIDDEN[:2]].tolist() == [3, 4]


def test_an_interrupted_run_goes_on_with_the_labels_that_it_began_with(tmp_path, monkeypatch):
    file = given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3))
    folder = Workdir(tmp_path / "run")

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.trusting, "learn_known_examples", stop)
        run.train(settings(epochs=1), str(folder.path), labels=str(file))
    given(file, label(HIDDEN[1], 4))  # more labels, while nobody trains
    with pytest.raises(UserError, match=r"A run keeps the labels that it began with, .* unless .* more --config.epochs"):
        run.train(settings(epochs=1), str(folder.path), labels=str(file))
    run.train(settings(epochs=1), str(folder.path))
    assert LabelFile(folder.training_labels).read().values == {"y": {HIDDEN[0]: 3}}
    run.train(settings(epochs=2), str(folder.path), labels=str(file))
    assert LabelFile(folder.training_labels).read().number == 2
    assert folder.load_config()["earlier_epochs"] == [1]


def test_labels_of_the_folder_itself_are_taken(tmp_path):
    folder = Workdir(tmp_path / "run")
    run.train(settings(epochs=1), str(folder.path))
    given(folder.labels, label(HIDDEN[0], 3))
    run.train(settings(epochs=2), str(folder.path), labels=str(folder.labels))
    assert folder.training_labels.read_bytes() == folder.labels.read_bytes()


def test_a_baseline_learns_from_them_too(tmp_path, capsys):
    from ssdgm_tf.configs import baseline_digits

    file = given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3))
    config = baseline_digits.get_config("labels=30,seed=0").to_dict() | {"model": "nearest_neighbours"}
    run.train(settings() | {"config": config}, str(tmp_path / "run"), labels=str(file))
    assert "31 of them labelled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "fields", "message"),
    [
        ("nowhere.jsonl", {}, "must be a file that ssdgm-label wrote. Received: .*nowhere.jsonl, which is not there"),
        ("labels.jsonl", {"seed": 1}, "Labels belong to the training examples that they were given to"),
        ("other.jsonl", {}, "must be one that ssdgm-label wrote. Received: .*, line 1"),
    ],
)
def test_other_labels_are_refused_and_leave_nothing(labels, fields, message, tmp_path):
    given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3))
    (tmp_path / "other.jsonl").write_text("index,label\n3,4\n")
    with pytest.raises(UserError, match=message):
        run.train(settings(**fields), str(tmp_path / "run"), labels=str(tmp_path / labels))
    assert not (tmp_path / "run").exists()


def test_a_new_class_grows_the_model_and_loses_nothing(tmp_path, capsys):
    """Nobody told the run of nines, which are among its unlabelled images."""
    every = data.load("digits", 0, 0)
    known, shown = every.y_test < 9, every.y_train < 9
    x, y = np.asarray(every.x_train), np.where(shown, every.y_train, -1)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=np.asarray(every.x_test)[known], y_test=every.y_test[known])
    folder, wanted = Workdir(tmp_path / "run"), {"data": f"npz:{tmp_path / 'd.npz'}", "labels": 45, "hidden_units": (100,)}
    run.train(settings(epochs=20, **wanted), str(folder.path))
    model = checkpoints.load(folder.model)
    errors = [np.mean(model.predict(x, verbose=0).argmax(axis=1)[shown] != every.y_train[shown])]
    assert model.data_format.classes == {"y": 9}
    nines = np.flatnonzero(~shown)
    dataset = load_data(folder.load_config()["config"], None, False, folder)
    file = LabelFile(folder.labels)
    for event in ({"event": "class", "name": "nine"}, *(label(int(index), 9) for index in nines[:15])):
        file.append([{"variable": "y", **event}], dataset.x_train, {"y": [str(k) for k in range(9)]})
    run.train(settings(epochs=26, **wanted), str(folder.path), labels=str(folder.labels))
    assert "The model knows 10 classes now; new: nine." in capsys.readouterr().out
    predicted = checkpoints.load(folder.model).predict(x, verbose=0).argmax(axis=1)
    errors.append(np.mean(predicted[shown] != every.y_train[shown]))
    assert errors[1] < errors[0] + 0.05
    assert np.mean(predicted[nines[15:]] == 9) > 0.7
    assert folder.load_data().class_names[9] == "nine"


def test_a_new_class_of_a_model_that_builds_on_another_is_refused(tmp_path):
    from ssdgm_tf.configs import m1m2_digits

    config = m1m2_digits.get_config("labels=30,seed=0").to_dict() | {"epochs": 1, "hidden_units": (8,)}
    one = settings() | {"config": config}
    folder = Workdir(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssdgm_tf.configs.m1_digits.get_config", _small_m1)
        run.train(one, str(folder.path))
    given(folder.labels, {"event": "class", "name": "new"}, label(HIDDEN[0], 10))
    with pytest.raises(UserError, match="A new class is for a model that builds on no other"):
        run.train(one | {"config": config | {"epochs": 2}}, str(folder.path), labels=str(folder.labels))
    assert folder.results.exists()
    assert not folder.training_labels.exists()


def test_labels_that_make_epochs_shorter_do_not_end_training(tmp_path):
    """With half of the examples labelled an epoch has two thirds of its steps: by these, the run would be finished."""
    folder = Workdir(tmp_path / "run")
    run.train(settings(epochs=4, learning_rate_schedule="cosine"), str(folder.path))
    every = data.load("digits", 0, 0).y_train
    given(folder.labels, *(label(int(index), int(every[index])) for index in np.flatnonzero(DIGITS.y_train < 0)[:620]))
    run.train(settings(epochs=5, learning_rate_schedule="cosine"), str(folder.path), labels=str(folder.labels))
    rows = folder.load_metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["step"] for row in rows] == [13, 26, 39, 52, 59]
    schedule = checkpoints.load(folder.model).optimizer.get_config()["learning_rate"]["config"]
    assert schedule["decay_steps"] == 59  # it ends with the training


def test_labels_given_while_a_run_begins_are_not_taken_for_its_own(tmp_path, monkeypatch):
    file = given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3))
    claim = run._claim

    def late(job):
        given(file, label(HIDDEN[1], 4))
        claim(job)

    monkeypatch.setattr(run, "_claim", late)
    run.train(settings(epochs=1), str(tmp_path / "run"), labels=str(file))
    assert LabelFile(Workdir(tmp_path / "run").training_labels).read().values == {"y": {HIDDEN[0]: 3}}


def test_a_run_that_learned_a_class_keeps_it(tmp_path):
    folder = Workdir(tmp_path / "run")
    run.train(settings(epochs=1), str(folder.path))
    given(folder.labels, {"event": "class", "name": "new"}, label(HIDDEN[0], 10))
    run.train(settings(epochs=2), str(folder.path), labels=str(folder.labels))
    other = given(tmp_path / "labels.jsonl", label(HIDDEN[0], 3))
    with pytest.raises(UserError, match=r"classes that the model has learned, 11. Received: 10 of them"):
        run.train(settings(epochs=3), str(folder.path), labels=str(other))
    assert folder.results.exists()


def _small_m1(*args):
    from ssdgm_tf.configs.common import DIGITS as OF_DIGITS
    from ssdgm_tf.configs.common import SMALL_DENSE, model_config

    fields = OF_DIGITS | SMALL_DENSE | {"model": "vae", "epochs": 1, "hidden_units": (8,), "latent_dim": 30}
    return model_config(**fields)
