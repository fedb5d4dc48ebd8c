import keras
import numpy as np
import pytest

from ssdgm_tf.runs.callbacks import Checkpoint, MetricsFile, ProgressBar


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, *callbacks, **kwargs):
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=4, verbose=0, callbacks=list(callbacks), **kwargs)


def test_a_failed_save_keeps_the_last_good_checkpoint(model, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    fit(model, Checkpoint(path, every_seconds=0), epochs=1)
    good = path.read_bytes()

    def fail(partial):
        partial.write_bytes(good[:10])
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        fit(model, Checkpoint(path, every_seconds=0), epochs=1)
    assert path.read_bytes() == good


def test_fast_epochs_are_not_spent_on_saving(model, tmp_path, monkeypatch):
    saves = []
    checkpoint = Checkpoint(tmp_path / "model.keras", every_seconds=1000)
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda: (saves.append(1), save()))
    fit(model, checkpoint, epochs=20)
    assert len(saves) == 2  # before the first epoch and after the last


def test_metrics_go_on_after_the_lines_of_an_earlier_start(model, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("stale\n")
    model.num_steps = 6
    callback = MetricsFile(path, [{"epoch": 1, "step": 3, "seconds": 50.0}])
    fit(model, callback, epochs=2, initial_epoch=1)
    lines = path.read_text().splitlines()
    assert len(lines) == 2 and lines[0] == '{"epoch": 1, "step": 3, "seconds": 50.0}'
    assert '"epoch": 2' in lines[1] and float(lines[1].split('"seconds": ')[1].split(",")[0]) >= 50


def test_the_bar_counts_steps_of_the_whole_run_and_shows_figures(model, capsys):
    bar = ProgressBar("training", {"loss": "bound"}, initial_epoch=1)
    fit(model, bar, epochs=3, initial_epoch=1)
    assert bar.bar.n == bar.bar.total == 6
    assert "bound=" in capsys.readouterr().err
