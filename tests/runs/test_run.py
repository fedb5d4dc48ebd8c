"""A whole run: its files, its figures, its resumption and its interruption."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from ssdgm_tf import data, models, nodes
from ssdgm_tf.configs import m2_digits
from ssdgm_tf.configs.common import PLAIN
from ssdgm_tf.errors import UserError
from ssdgm_tf.models.figures import style_grid
from ssdgm_tf.runs import building, checkpoints, measuring, optimisation, plan, run, wording
from ssdgm_tf.runs.callbacks import Checkpoint
from ssdgm_tf.runs.workdir import Workdir

#: Those of the predicted classes, and all.
OF_CLASSES = {"confusion", "reliability", "surest_errors", "least_certain"}
FIGURES = OF_CLASSES | {"learning_curves", "reconstructions", "samples", "analogies", "styles", "latent_space"}


def settings(**fields):
    config = m2_digits.get_config("labels=30,seed=0").to_dict() | PLAIN
    config |= {"hidden_units": (16,), "latent_dim": 3, "epochs": 4, "num_importance_samples": 5} | fields
    return {"config": config, "precision": "float32", "jit_compile": "auto"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    return workdir, run.train(settings(), workdir)


def test_epochs_that_images_leave_open_are_those_of_the_steps(tmp_path):
    open_epochs = settings(epochs=0, target_steps=3000)
    made, dataset = run._with_epochs(open_epochs, Workdir(tmp_path / "new"), run._Source(None, False))
    steps = -(-int((~dataset.is_labelled).sum()) // made["config"]["batch_size"])
    assert made["config"]["epochs"] == 3000 // steps > 5
    assert run._with_epochs(settings(epochs=4), Workdir(tmp_path / "new"), run._Source(None, False))[1] is None
    for field, value in (("batch_size", 0), ("target_steps", 0), ("model", "vae"), ("model", "conditional_vae")):
        with pytest.raises(UserError, match=f"config.{'epochs' if field == 'model' else field} must be positive"):
            run.train(settings(epochs=0, **{field: value}), tmp_path / "refused")


def test_a_late_bound_is_trained_and_kept(tmp_path):
    fields = {"consistency": "entropy=0.1", "bound_delay": 0.5, "learning_rate_schedule": "cosine", "epochs": 2}
    run.train(settings(**fields), tmp_path)
    model = str(tmp_path / "model.keras")
    code = f"import keras, ssdgm_tf; print(keras.models.load_model({model!r}).bound_weight.boundaries)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[13]"
    with pytest.raises(UserError, match=r"config\.bound_delay needs a model that infers labels\. Received: .*0\.5, VAE"):
        run.train(settings(model="vae", bound_delay=0.5), tmp_path / "refused")


def test_a_run_leaves_its_files(finished):
    workdir, results = finished
    assert json.loads((workdir / "results.json").read_text()) == results
    assert {path.stem for path in (workdir / "figures").glob("*.png")} == FIGURES
    assert list((workdir / "tensorboard").rglob("events.out.tfevents.*"))
    assert isinstance(keras.models.load_model(workdir / "model.keras"), models.M2)
    assert json.loads((workdir / "config.json").read_text()) == json.loads(json.dumps(settings()))
    assert not list(workdir.glob("*partial*"))


@pytest.mark.slow
def test_a_conditional_vae_is_given_its_labels(tmp_path, digits):
    fields = {"model": "conditional_vae", "classifier": "dense"}
    results = run.train(settings(**fields), tmp_path)
    assert results["log_px"] < 0 and results["log_py"] == pytest.approx(-np.log(10)) and "error" not in results
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == FIGURES - OF_CLASSES
    model = keras.models.load_model(tmp_path / "model.keras")
    assert int(model.step) == 4, "an epoch of 30 labelled examples is one step"
    metrics = model.evaluate({"x": digits.x_test, "y": digits.y_test}, batch_size=500, verbose=0, return_dict=True)
    assert metrics["bound_unlabelled"] == pytest.approx(results["bound_unlabelled"], rel=0.05)  # other draws of z
    assert "conditional_vae has no classifier" in str(
        refusal(settings(model="conditional_vae", classifier="noisy"), tmp_path)
    )


@pytest.mark.usefixtures("bare")
def test_labels_come_first_where_they_are_asked_to(tmp_path, monkeypatch):
    fitted = []
    fit = models.M2.fit

    def spy(self, x, y, *args, **kwargs):
        before = int(self.step)
        history = fit(self, x, y, *args, **kwargs)
        fitted.append((int(np.sum(y < 0)), int(self.step) - before, kwargs["balance"]))
        return history

    monkeypatch.setattr(models.M2, "fit", spy)
    asked = settings(labels_first_steps=7, epochs=2, learning_rate_schedule="cosine", balance=True)
    results = run.train(asked, tmp_path / "run")
    assert fitted == [(0, 7, True), (1267, 2 * 13, True)]
    assert (
        results["training_seconds"] > json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])["seconds"]
    )
    optimizer = keras.models.load_model(tmp_path / "run" / "model.keras").optimizer
    schedule = keras.optimizers.schedules.deserialize(optimizer.get_config()["learning_rate"])
    assert max(range(40), key=lambda step: float(schedule(step))) == 7

    (tmp_path / "run" / "results.json").unlink()
    fitted.clear()
    assert run.train(asked, tmp_path / "run")["error"] == results["error"] and not fitted, "it is not begun again"
    for wrong, message in (({"labels_first_steps": -1}, "must not be negative"), ({"model": "vae"}, "infers labels")):
        with pytest.raises(UserError, match=message):
            run.train(settings(**{"labels_first_steps": 7} | wrong), tmp_path / "wrong")
        assert not (tmp_path / "wrong").exists()


def test_first_steps_show_labels_that_spread_and_later_ones_do_not(tmp_path, monkeypatch):
    """Without spread labels they show 30; with them four fifths of the examples. The epochs show 30 either way."""
    fit, fitted = models.M2.fit, []

    def spy(self, x, y, *args, **kwargs):
        fitted.append((np.asarray(x), np.asarray(y), kwargs["labelled_batch_size"]))
        return fit(self, x, y, *args, **kwargs)

    monkeypatch.setattr(models.M2, "fit", spy)
    sizes = {"batch_size": 150, "labelled_batch_size": 20}
    run.train(settings(labels_first_steps=2, labels_spread=True, epochs=1, **sizes), tmp_path)
    (x, first, of_first), (_, later, of_later) = fitted
    assert len(first) == round(0.8 * 1297) and first.min() == 0 and (of_first, of_later) == (150, 20)
    assert (later >= 0).sum() == 30
    truth = {row.tobytes(): label for row, label in zip(*data_with_all_labels(), strict=True)}
    assert np.mean([truth[row.tobytes()] != label for row, label in zip(x, first, strict=True)]) < 0.1


def data_with_all_labels():
    whole = data.load("digits", 0, 0)
    return np.asarray(whole.x_train), whole.y_train


def refusal(run_settings, folder):
    with pytest.raises(UserError) as error:
        run.train(run_settings, folder / "refused")
    return error.value


def test_metrics_are_a_line_an_epoch(finished):
    workdir, _ = finished
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert {"loss", "bound_unlabelled", "kl_z", "val_error", "val_ece", "seconds"} <= set(rows[0])


def test_the_report_holds_its_figures_and_results(finished):
    workdir, results = finished
    page = (workdir / "report.html").read_text()
    images = re.findall(r'alt="(\w+)" src="data:image/png;base64,([^"]+)"', page)
    assert {name for name, _ in images} == FIGURES
    for name, encoded in images:
        assert base64.b64decode(encoded) == (workdir / "figures" / f"{name}.png").read_bytes()
    assert f"{100 * results['error']:.2f} %" in page and f"{results['bound_unlabelled']:.2f} nats" in page
    shown = {str(k): f"{100 * results['recall'][k]:.1f} % of {sum(results['confusion'][k])}" for k in range(10)}
    rows = re.findall(r"<td>(\d)</td><td>([^<]*)</td>", page)
    assert dict(rows) == shown and [float(text.split()[0]) for _, text in rows] == sorted(
        float(text.split()[0]) for text in shown.values()
    )
    assert "Test recall of each class" in page and f"{100 * results['balanced_error']:.2f} %" in page
    assert not re.search(r'(src|href)="(?!data:)', page), "self-contained: nothing is loaded from elsewhere"


@pytest.mark.slow
def test_figures_are_drawn_anew(finished):
    workdir, results = finished
    (workdir / "figures" / "styles.png").unlink()
    (workdir / "report.html").unlink()
    command = [sys.executable, "-m", "ssdgm_tf.trainers.figures", f"--workdir={workdir}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and f"open {workdir / 'report.html'}" in done.stdout
    assert {path.stem for path in (workdir / "figures").glob("*.png")} == FIGURES
    assert f"{100 * results['error']:.2f} %" in (workdir / "report.html").read_text()


def test_styles_go_through_the_images_and_over_the_quantiles_of_the_prior():
    codes = np.random.default_rng(0).normal([1.4, 0.0, 0.0], [0.1, 3.0, 2.0], (1000, 3)).astype(np.float32)
    points, dimensions = style_grid(codes)
    assert dimensions == (1, 2)
    np.testing.assert_allclose(points[..., 0], codes[:, 0].mean(), rtol=1e-6)
    np.testing.assert_allclose(points[[0, -1], 3, 1], [-1.6449, 1.6449], rtol=1e-4)
    np.testing.assert_allclose(points[2, [0, 3, -1], 2], [-1.6449, 0.0, 1.6449], atol=1e-4)


def test_results_are_of_the_saved_model(finished, digits):
    workdir, results = finished
    model = keras.models.load_model(workdir / "model.keras")
    error = np.mean(np.argmax(model.predict(digits.x_test, verbose=0), axis=1) != digits.y_test)
    assert results["error"] == pytest.approx(error, abs=1e-6)
    assert results["log_likelihood"] >= results["bound_unlabelled"]


def test_no_result_holds_a_path_of_the_machine(finished):
    workdir, _ = finished
    for name in ("results.json", "config.json", "report.html", "metrics.jsonl"):
        assert str(workdir.parent) not in (workdir / name).read_text()


def test_the_confusions_are_those_of_predict(finished, digits):
    workdir, results = finished
    model = keras.models.load_model(workdir / "model.keras")
    chosen = model.predict(digits.x_test, verbose=0).argmax(axis=1)
    matrix = np.array(results["confusion"])
    for true in range(10):
        of_class = chosen[digits.y_test == true]
        np.testing.assert_array_equal(matrix[true], np.bincount(of_class, minlength=10))
        assert results["recall"][true] == pytest.approx(np.mean(of_class == true))
    assert 1 - np.trace(matrix) / matrix.sum() == pytest.approx(results["error"], abs=1e-6)
    assert results["balanced_error"] == pytest.approx(1 - np.mean(results["recall"]))
    lines = (workdir / "results.json").read_text().splitlines()
    assert [line.strip(" ,") for line in lines].count(json.dumps(matrix[0].tolist())) == 1, "a row stands on one line"


def test_confusions_are_of_known_labels_and_of_each_class_variable():
    """Of several variables with the name in front."""
    generative = {"a": nodes.OneHotCategorical(2), "b": nodes.OneHotCategorical(3), "t": nodes.Normal(1)}
    generative["x"] = nodes.Normal(2, parents=("a", "b", "t"))
    recognition = {name: type(node)(node.head, parents="x") for name, node in generative.items() if name != "x"}
    model = models.GraphicalModel(generative, recognition, observed="x", supervised=("a", "b", "t"))
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    y = {"a": np.zeros(30, int), "b": np.where(np.arange(30) < 20, np.arange(30) % 3, -1)}
    found, keys = measuring.confusions(model, x, y), ("balanced_error", "recall", "confusion")
    assert set(found) == {f"{name}_{key}" for name in ("a", "b") for key in keys}
    assert found["a_recall"][1] is None
    predicted = model.predict(x, verbose=0)
    for name, labels in y.items():
        matrix, known = np.array(found[f"{name}_confusion"]), labels >= 0
        np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(labels[known], minlength=len(matrix)))
        chosen = predicted[name].argmax(axis=1)[known]
        np.testing.assert_array_equal(matrix.sum(axis=0), np.bincount(chosen, minlength=len(matrix)))
    assert set(measuring.confusions(model, x, {"a": y["a"]})) == {f"a_{key}" for key in keys}, "b is never known"
    assert measuring.confusions(models.VAE(latent_dim=2), x, None) == {}


def test_the_summary_names_what_was_asked_for(finished):
    _, results = finished
    text = wording.summary(results, settings()["config"])
    for part in ("M2", "network, labels only", "nearest neighbour", "test bound", "nats", "ECE"):
        assert part in text


def test_a_finished_run_is_not_trained_again(finished, capsys):
    workdir, results = finished
    before = (workdir / "model.keras").stat().st_mtime_ns
    assert run.train(settings(), workdir) == results
    assert "finished: there is nothing to train" in capsys.readouterr().out
    assert (workdir / "model.keras").stat().st_mtime_ns == before


def test_another_config_is_refused(finished):
    workdir, _ = finished
    with pytest.raises(UserError, match=r"config.latent_dim = 9, where .* has 3"):
        run.train(settings(latent_dim=9), workdir)


@pytest.mark.usefixtures("bare")
def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(finished, tmp_path, monkeypatch):
    _, results = finished

    class Interrupt(Checkpoint):
        def __init__(self, path, every_seconds):
            super().__init__(path, every_seconds=0.0)

        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.step) == 2 * 13 + 5:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.training, "Checkpoint", Interrupt)
        run.train(settings(), tmp_path)
    assert int(keras.models.load_model(tmp_path / "model.keras").step) == 2 * 13
    resumed = run.train(settings(), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    for name in ("error", "bound_unlabelled", "log_likelihood"):
        assert resumed[name] == pytest.approx(results[name], rel=1e-4)


@pytest.mark.usefixtures("bare")
def test_a_run_that_gets_more_epochs_is_the_run_of_all_of_them(finished, tmp_path, monkeypatch, capsys):
    """Though it is stopped after the training."""
    (workdir, results), folder = finished, run.Workdir(tmp_path)
    fewer = run.train(settings(epochs=2), tmp_path)
    folder.report.write_text("of 2 epochs")
    assert plan.make(settings(epochs=2), folder)[-1].is_finished and not plan.make(settings(), folder)[-1].is_finished

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.measuring, "measure", stop)
        run.train(settings(), tmp_path)
    assert "This run of 2 epochs goes on to 4." in capsys.readouterr().out
    assert not folder.results.exists() and not folder.report.exists()
    extended = run.train(settings(), tmp_path)
    whole, grown = (keras.models.load_model(path / "model.keras") for path in (workdir, tmp_path))
    for expected, got in zip(whole.get_weights(), grown.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert [row["epoch"] for row in folder.load_metrics()] == [1, 2, 3, 4]
    assert folder.load_results() == extended and folder.load_config()["earlier_epochs"] == [2]
    assert extended["training_seconds"] > fewer["training_seconds"] and extended["error"] == results["error"]
    assert extended["log_likelihood"] == pytest.approx(results["log_likelihood"], rel=1e-6)
    with pytest.raises(UserError, match=r"epochs of a run may grow, .* Received: config.epochs = 3, where .* has 4"):
        run.train(settings(epochs=3), tmp_path)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_loaded_model_follows_the_schedule_of_all_epochs(precision, digits, tmp_path):
    """The file of the model has that of its time; an optimizer that scales the loss holds another one."""
    of_two, of_four = (settings(epochs=n, learning_rate_schedule="cosine") | {"precision": precision} for n in (2, 4))
    building.model(of_two, digits).save(tmp_path / "model.keras")
    loaded, expected = keras.models.load_model(tmp_path / "model.keras"), building.model(of_four, digits)
    for model in (loaded, expected):
        model.optimizer.iterations.assign(26)
    before, rate = float(loaded.optimizer.learning_rate), float(expected.optimizer.learning_rate)
    assert before < rate
    for config, follows in ((of_two, before), (of_four, rate), (settings(), rate)):  # a constant rate has no schedule
        optimisation.reschedule(loaded, config["config"], digits, done=0)
        assert float(loaded.optimizer.learning_rate) == follows


@pytest.mark.usefixtures("unmeasured")
def test_a_schedule_is_that_of_all_epochs(tmp_path, capsys):
    run.train(settings(epochs=1, learning_rate_schedule="cosine"), tmp_path)
    run.train(settings(epochs=2, learning_rate_schedule="cosine"), tmp_path)
    assert "from here on the learning rate is that of a run of 2 epochs" in capsys.readouterr().out
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert optimizer.get_config()["learning_rate"]["config"]["decay_steps"] == 2 * 13
    assert int(optimizer.iterations) == 2 * 13


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": 3}, "Received: num_labels=3"),
        ({"labels": 5000}, "num_labels=5000"),
        ({"batch_size": 0}, r"config.batch_size must be positive. Received: config.batch_size=0"),
        ({"learning_rate": -1.0}, "config.learning_rate must be positive"),
        ({"likelihood": "poisson"}, "likelihood must be one of"),
        ({"model": "m3"}, "config.model must be one of adgm.*disentangled_vae.*Received: config.model='m3'"),
        ({"activation": "rely"}, "rely"),
        ({"decoder": "deep"}, "config.decoder must be one of.*Received: config.decoder='deep'"),
        ({"classifier": "deep"}, "config.classifier must be one of.*Received: config.classifier='deep'"),
        ({"model": "vae", "classifier": "convolutional"}, "vae has no classifier: config.classifier must be 'dense'"),
        ({"learning_rate_schedule": "step"}, "must be 'constant' or 'cosine'"),
        ({"preprocessing": "svd"}, "preprocessing"),
        ({"resize": "8x8"}, "config.resize is for images of folder:FOLDER. Received: config.resize='8x8' for .*'digits'"),
        ({"balance": True, "model": "vae"}, "one supervised variable, which must be a class. Received: VAE, with none"),
        ({"balance": True, "model": "conditional_vae"}, "which must be a class. Received: ConditionalVAE, with none"),
        ({"balance": True, "model": "linear_svm"}, "config.balance is for models: .* config.model='linear_svm'"),
        ({"colours": True, "model": "fix_match"}, "config.colours is for models: .* config.model='fix_match'"),
        ({"bending": 2.0, "model": "fix_match"}, "config.bending is for models: .* config.bending=2.0"),
        ({"labels_first_steps": 9, "model": "fix_match"}, "config.labels_first_steps is for models: .* all its examples"),
        ({"labels_spread": True, "model": "fix_match"}, "config.labels_spread is for models: .* config.model='fix_match'"),
        ({"labels_spread": True}, "config.labels_spread needs config.labels_first_steps. Received: 0 of them"),
        ({"resize": "8"}, "config.resize must be the HEIGHTxWIDTH"),
    ],
)
def test_a_bad_field_is_refused_and_leaves_nothing(fields, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run.train(settings(**fields), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_truncated_checkpoint_is_refused(tmp_path):
    run.Workdir(tmp_path).claim(settings())
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"must be a .keras file that ssdgm_tf saved. Received: .*model.keras"):
        run.train(settings(), tmp_path)


def test_ctrl_c_leaves_a_loadable_checkpoint_and_no_traceback(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "ssdgm_tf.trainers.train", "--config.epochs=100000", "--workdir=run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A shell that starts the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors and "Interrupted. The saved files are undamaged" in errors
    assert isinstance(checkpoints.load(tmp_path / "run" / "model.keras"), models.M2)
