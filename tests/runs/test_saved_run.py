"""From a finished run to a SavedModel of raw images, a LiteRT file, and tables of predictions."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from ssdgm_tf import data, models, nodes
from ssdgm_tf.configs import adgm_digits
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import measuring, other_formats, prediction_table, run, saved_run, wording
from ssdgm_tf.runs.prediction_files import PredictionFiles
from ssdgm_tf.runs.workdir import Workdir
from tests.runs.test_run import settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of images in folders of named classes, of two sizes."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 200)):
        (root / name).mkdir()
        for i in range(80):
            pixels = np.clip(generator.normal(shade, 20, (8, 8 + i % 2)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    workdir = tmp_path_factory.mktemp("run")
    fields = {"data": f"folder:{root}", "resize": "8x8", "labels": 6, "epochs": 3, "labelled_batch_size": 6}
    run.train(settings(**fields, batch_size=10), workdir)
    return Workdir(workdir)


@pytest.fixture(scope="module")
def exported(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("served") / "model"
    return output, saved_run.export(folder, output, verbose=False)


@pytest.fixture
def raw():
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1)).astype(np.uint8)


def test_raw_images_go_in(folder, exported, raw):
    signatures = tf.saved_model.load(exported[0]).signatures
    model = keras.models.load_model(folder.model)
    answer = signatures["classify"](x=raw)
    np.testing.assert_allclose(answer["probabilities"], model.predict(raw / np.float32(255), verbose=0), rtol=1e-5)
    image = signatures["generate"](y=tf.constant([0, 1], tf.int64), seed=tf.constant(1, tf.int64))["x"]
    np.testing.assert_allclose(image, model.generate({"y": [0, 1]}, seed=1), rtol=1e-5, atol=1e-6)


def test_the_card_says_how_it_was_trained_and_what_it_answers(folder, exported):
    card = (exported[0] / "README.md").read_text()
    error = json.loads(folder.results.read_text())["error"]
    assert f"| Test error | {100 * error:.2f} % |" in card and "| Test balanced error | " in card
    assert "6 labels shown, drawn with seed 0" in card and "x uint8 [B, 8, 8, 1]" in card
    assert all(f"| `{name}` |" in card for name in exported[1])
    assert "resized to 8x8 before they come in" in card


def test_the_header_of_the_card_is_what_hubs_read(folder, exported):
    card = huggingface_hub.ModelCard.load(exported[0] / "README.md")
    assert card.data.pipeline_tag == "image-classification" and "semi-supervised" in card.data.tags
    results = json.loads(folder.results.read_text())
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured == {name: results[name] for name in ("error", "balanced_error")}
    assert card.text.lstrip().startswith("# M2")


@pytest.mark.parametrize(
    ("errors", "shape", "task"),
    [
        (["error", "balanced_error"], (8, 8, 1), "image-classification"),
        (["error"], (12,), "tabular-classification"),
        (["age_mae", "age_rmse", "city_error"], (5,), "tabular-classification"),
        (["age_mae", "age_rmse"], (5,), "tabular-regression"),
        (["error"], (24, 1), "other"),
        (["azimuth_degrees"], (8, 8, 1), "other"),
    ],
)
def test_the_task_is_one_of_the_hub(errors, shape, task):
    assert wording.task(errors, shape) == task


def test_the_files_of_keras_make_the_folder_a_repository_of_a_hub(folder, tmp_path, raw, monkeypatch):
    output = tmp_path / "served"
    saved_run.export(folder, output, verbose=False)
    files = saved_run.write_keras_files(folder, output)
    assert [file.name for file in files] == ["config.json", "metadata.json", "model.weights.h5"]
    assert not list(output.glob("partial-*"))
    # What a hub gives back has no empty folders.
    repository = tmp_path / "repository"
    shutil.copytree(output, repository)
    (repository / "assets").rmdir()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repo_id, **_: str({"me/shades": repository}[repo_id]))
    model = keras.saving.load_model("hf://me/shades")
    x = raw / np.float32(255)
    np.testing.assert_array_equal(model.predict(x, verbose=0), keras.models.load_model(folder.model).predict(x, verbose=0))
    probabilities = tf.saved_model.load(repository).signatures["classify"](x=raw)["probabilities"]
    np.testing.assert_allclose(probabilities, model.predict(x, verbose=0), rtol=1e-5)
    with pytest.warns(UserWarning, match="Training changes what is novel"):
        model.fit(x, np.array([0, 1, -1, -1, -1]), verbose=0)
    saved_run.export(folder, output, verbose=False)  # replaces all of it
    assert not (output / "config.json").exists()


@pytest.mark.parametrize(
    ("spec", "shape", "raw_dtype", "words"),
    [
        ("pca:5", (8, 8, 1), "uint8", "pixels / 255, then whitened"),
        ("zca", (8, 8, 1), "uint8", "pixels / 255, then whitened"),
        ("zca", (8, 8, 1), "float32", "whitened; pixels are numbers in [0, 1]"),
        ("none", (8, 8, 1), "uint8", "pixels / 255"),
        ("none", (8, 8, 1), "float32", "none; pixels are numbers in [0, 1]"),
        ("pca:5", (12,), "float32", "whitened"),
        ("auto", (12,), "float32", "standardised"),
        ("none", (12,), "float32", "none"),
    ],
)
def test_the_preprocessing_is_part_of_the_signatures(spec, shape, raw_dtype, words):
    """It is saved with the run, and comes back as it was."""
    raw = np.random.default_rng(0).integers(0, 256, (90, *shape)).astype(np.uint8)
    x = raw / np.float32(255) if len(shape) == 3 else raw.astype(np.float32)
    fitted = data.fit_preprocessing(spec, x)
    expected, back = (x, x) if fitted is None else (fitted.transform(x), fitted.inverse(fitted.transform(x)))
    pixels = saved_run.Pixels(shape, raw_dtype, fitted)
    assert pixels.words == words and pixels.spec.dtype == raw_dtype
    given = raw if raw_dtype == "uint8" else x
    np.testing.assert_allclose(pixels.transform(tf.constant(given)), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pixels.inverse(tf.constant(expected)), back, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("bare")
def test_a_run_of_whitened_images_is_served_without_its_data(tmp_path, raw):
    fields = {"preprocessing": "pca:5", "likelihood": "normal", "epochs": 1}
    run.train(settings(**fields), tmp_path / "run")
    saved_run.export(Workdir(tmp_path / "run"), tmp_path / "out", verbose=False)
    whitening = data.load("digits", 30, 0, preprocessing="pca:5").preprocessing
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    x = raw / np.float32(255)  # the digits are sixteenths, so their model takes numbers
    answer = tf.saved_model.load(tmp_path / "out").signatures["classify"](x=x)["probabilities"]
    np.testing.assert_allclose(answer, model.predict(whitening.transform(x), verbose=0), rtol=1e-4, atol=1e-5)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "x float32 [B, 8, 8, 1]" in card and "whitened; pixels are numbers in [0, 1]" in card


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_a_litert_file_classifies(exported, raw):
    (file,) = other_formats.write_litert(*exported)
    assert file.name == "classify.tflite"
    classify = tf.lite.Interpreter(model_path=str(file)).get_signature_runner("classify")
    expected = tf.saved_model.load(exported[0]).signatures["classify"](x=raw)
    answer = classify(x=raw)
    assert set(answer) == set(expected)
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(answer["class"], expected["class"])


@pytest.mark.slow
def test_saved_model_cli_runs_it(exported, raw, tmp_path):
    np.save(tmp_path / "x.npy", raw)
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run", "--dir", str(exported[0])]
    more = ["--tag_set", "serve", "--signature_def", "classify", "--inputs", f"x={tmp_path / 'x.npy'}"]
    done = subprocess.run([*command, *more, "--outdir", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = tf.saved_model.load(exported[0]).signatures["classify"](x=raw)["probabilities"]
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), expected, rtol=1e-5)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def written(exported, raw, tmp_path):
    """The output of predicting 5 images and 2 bad files; everything beside it."""
    (tmp_path / "in").mkdir()
    for i, image in enumerate(raw):
        Image.fromarray(image[..., 0]).save(tmp_path / "in" / f"{i}.png")
    (tmp_path / "in" / "2b.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(tmp_path / "in" / "large.png")
    examples = data.Examples(str(tmp_path / "in"), (8, 8, 1))
    tables = PredictionFiles.of(str(tmp_path / "out" / "p.csv"))
    counts = prediction_table.write(prediction_table.Predictor(exported[0]), examples, tables, top_uncertain=2)
    return counts, tmp_path / "out"


def test_predictions_of_a_folder(exported, raw, written):
    counts, out = written
    rows = table(out / "p.csv")
    assert counts == (5, 2) and [row["name"] for row in rows] == [f"{i}.png" for i in range(5)]
    signatures = tf.saved_model.load(exported[0]).signatures
    answer = signatures["classify"](x=raw)
    for i, row in enumerate(rows):
        assert row["class"] == ["dark", "light"][int(answer["class"][i])]
        assert float(row["p_light"]) == pytest.approx(float(answer["probabilities"][i, 1]), abs=1e-5)
        assert float(row["entropy"]) == pytest.approx(float(answer["entropy"][i]), abs=1e-5)
    assert {row["name"] for row in table(out / "p_errors.csv")} == {"2b.png", "large.png"}
    assert sorted(path.name for path in out.iterdir()) == ["p.csv", "p_errors.csv", "p_top_uncertain.csv"]


def test_the_most_uncertain_come_first(written):
    rows, top = table(written[1] / "p.csv"), table(written[1] / "p_top_uncertain.csv")
    assert [row["name"] for row in top] == [row["name"] for row in sorted(rows, key=lambda row: -float(row["entropy"]))[:2]]


def test_tables_of_an_earlier_prediction_do_not_stay(exported, written):
    """Those of another name do."""
    _, out = written
    (out / "other_errors.csv").write_text("name,reason\n")
    (out / "x.csv").write_text(",".join(["200"] * 64) + "\n")
    examples = data.Examples(str(out / "x.csv"), (8, 8, 1))
    predictor = prediction_table.Predictor(exported[0])
    assert prediction_table.write(predictor, examples, PredictionFiles.of(str(out / "p.csv"))) == (1, 0)
    assert sorted(path.name for path in out.iterdir()) == ["other_errors.csv", "p.csv", "x.csv"]


def test_a_table_without_predictions_has_its_columns(exported, tmp_path):
    (tmp_path / "x.csv").write_text("NA\n")
    predictor, tables = prediction_table.Predictor(exported[0]), PredictionFiles.of(str(tmp_path / "p.csv"))
    assert prediction_table.write(predictor, data.Examples(str(tmp_path / "x.csv"), (8, 8, 1)), tables) == (0, 1)
    header = (tmp_path / "p.csv").read_text().strip().split(",")
    assert sorted(header) == ["class", "entropy", "name", "novelty", "novelty_p_value", "p_dark", "p_light"]


def test_an_error_leaves_the_tables_as_they_were(exported, written, monkeypatch):
    _, out = written
    before = {path.name: path.read_text() for path in out.iterdir()}
    np.savez(out.parent / "x.npz", x=np.zeros((3, 8, 8), np.uint8))
    examples = data.Examples(str(out.parent / "x.npz"), (8, 8, 1))
    predictor = prediction_table.Predictor(exported[0])
    monkeypatch.setattr(data.Examples, "batches", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        prediction_table.write(predictor, examples, PredictionFiles.of(str(out / "p.csv")), top_uncertain=1)
    assert {path.name: path.read_text() for path in out.iterdir()} == before


def test_a_name_that_is_no_utf8_is_written_readably(exported, raw, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(raw[0, ..., 0]).save(tmp_path / "in" / "good.png")
    content = (tmp_path / "in" / "good.png").read_bytes()
    for name, written in ((b"caf\xe9.png", content), (b"bad\xff.png", b"no image")):
        with open(os.fsencode(tmp_path / "in") + b"/" + name, "wb") as file:
            file.write(written)
    tables = PredictionFiles.of(str(tmp_path / "p.csv"))
    examples = data.Examples(str(tmp_path / "in"), (8, 8, 1))
    assert prediction_table.write(prediction_table.Predictor(exported[0]), examples, tables) == (2, 1)
    assert [row["name"] for row in table(tables.predictions)] == [r"caf\xe9.png", "good.png"]
    assert table(tables.errors)[0]["name"] == r"bad\xff.png"


def test_noise_is_less_like_the_training_data_than_training_images(exported):
    predictor = prediction_table.Predictor(exported[0])
    dark = np.clip(np.random.default_rng(2).normal(40, 20, (8, 8, 8, 1)), 0, 255).astype(np.uint8)
    checks = (255 * (np.indices((8, 8, 8)).sum(axis=0) % 2))[..., None].astype(np.uint8)
    of_dark, of_checks = ([row["novelty"] for row in predictor.rows(x)] for x in (dark, checks))
    assert max(of_dark) < min(of_checks)


def test_what_cannot_be_served_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="served when it is finished"):
        unfinished = tmp_path / "run"
        unfinished.mkdir()
        (unfinished / "config.json").write_text(folder.config.read_text())
        saved_run.export(Workdir(unfinished), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UserError, match="replace a SavedModel"):
        saved_run.export(folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    with pytest.raises(UserError, match="a SavedModel of ssdgm-export"):
        prediction_table.Predictor(tmp_path / "mine")


@pytest.mark.usefixtures("bare")
def test_a_table_is_predicted_by_the_names_of_its_columns(tmp_path):
    generator = np.random.default_rng(0)
    rows = [(k, *generator.normal((k, 5 * k, -k), 1)) for k in (0, 1) for _ in range(20)]
    (tmp_path / "train.csv").write_text("label,a,b,c\n" + "".join(f"{k},{a},{b},{c}\n" for k, a, b, c in rows))
    (tmp_path / "turned.csv").write_text("c,label,b,a\n" + "".join(f"{c},,{b},{a}\n" for _, a, b, c in rows))
    (tmp_path / "bare.csv").write_text("".join(f"{a},{b},{c}\n" for _, a, b, c in rows))
    fields = {
        "data": f"csv:{tmp_path / 'train.csv'}",
        "likelihood": "normal",
        "labels": 10,
        "epochs": 2,
        "likelihood_scale": 1.0,
    }
    run.train(settings(**fields), tmp_path / "run")
    saved_run.export(Workdir(tmp_path / "run"), tmp_path / "served", verbose=False)
    assert "a, b, c; `ssdgm-predict` takes them" in (tmp_path / "served" / "README.md").read_text()
    predictor = prediction_table.Predictor(tmp_path / "served")
    assert predictor.input_columns == ("a", "b", "c")
    made = []
    for name in ("turned", "bare"):
        examples = data.Examples(
            str(tmp_path / f"{name}.csv"), predictor.shape, predictor.dtype, columns=predictor.input_columns
        )
        made += [predictor.rows(x) for _, x, _ in examples.batches(100)]
    assert made[0] == made[1] and len(made[0]) == 40


def test_the_commands(folder, exported, raw, tmp_path):
    (tmp_path / "in").mkdir()
    for i, image in enumerate(raw):  # of five sizes, as the run resizes them
        Image.fromarray(image[..., 0]).resize((8 + i, 8 + 2 * i)).save(tmp_path / "in" / f"{i}.png")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    one = f"--model={exported[0]}", f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'p.csv'}"
    done = subprocess.run([sys.executable, "-m", "ssdgm_tf.trainers.predict", *one], capture_output=True, text=True)
    passed_over = "Passed over: 1 file whose name is not that of an image, such as notes.txt"
    printed = f"{passed_over}\n5 predictions in {tmp_path / 'p.csv'}\n"
    assert done.returncode == 0 and done.stdout == printed, done.stderr
    for command, flag, message in (
        ("predict", "--output=p.txt", "--model must be given"),
        ("predict", f"--model={tmp_path}", "--input must be given"),
        ("export", f"--workdir={folder.path}", "--output must name a folder"),
    ):
        done = subprocess.run([sys.executable, "-m", f"ssdgm_tf.trainers.{command}", flag], capture_output=True, text=True)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
def test_commands_and_model_agree_where_something_is_drawn_before_the_label(tmp_path):
    """What ssdgm-train writes, ssdgm-evaluate measures and ssdgm-predict writes is what `predict` says, of an ADGM."""
    config = adgm_digits.get_config("labels=30,seed=0").to_dict()
    config |= {"hidden_units": (16,), "latent_dim": 3, "epochs": 2, "num_importance_samples": 2}
    run.train({"config": config, "precision": "float32", "jit_compile": "auto"}, tmp_path / "run")
    folder = Workdir(tmp_path / "run")
    model, dataset = keras.models.load_model(folder.model), data.load("digits", 30, 0)
    assert model.graph.is_drawn_before("y")
    error = np.mean(model.predict(dataset.x_test, verbose=0).argmax(axis=1) != dataset.y_test)
    assert json.loads(folder.results.read_text())["error"] == pytest.approx(error)
    assert measuring.measure(model, config, dataset)["error"] == pytest.approx(error)
    saved_run.export(folder, tmp_path / "served", verbose=False)
    rows = prediction_table.Predictor(tmp_path / "served").rows(dataset.x_test[:7])
    found = [[row[f"p_{label}"] for label in range(10)] for row in rows]
    np.testing.assert_allclose(found, model.predict(dataset.x_test[:7], verbose=0), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_litert_refuses_draws(tmp_path):
    """Of a style that is no Gaussian, for every example anew."""
    generative = {
        "y": nodes.OneHotCategorical(3),
        "z": nodes.Laplace(2),
        "x": nodes.Normal((4, 3), parents=("y", "z")),
    }
    recognition = {"z": nodes.Laplace(2, parents="x"), "y": nodes.OneHotCategorical(3, parents=("x", "z"))}
    models.GraphicalModel(generative, recognition, "x", "y", seed=0).export(tmp_path / "served", verbose=False)
    with pytest.raises(UserError, match=r"only operations of LiteRT, and no random draws. Received: classify, with tf\.\w+"):
        other_formats.write_litert(tmp_path / "served", ["classify", "encode"])
    assert not list((tmp_path / "served").glob("*.tflite"))


@pytest.mark.usefixtures("bare")
def test_a_table_from_its_config_to_its_predictions(tmp_path, monkeypatch):
    """Named classes, images in rows, an index, and a file of Excel to predict."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    pixels = np.clip(generator.normal(np.tile([60, 180], 30)[:, None], 20, (60, 64)), 0, 255).astype(int)
    lines = [",".join(["", "kind", *(f"pixel{i}" for i in range(64))])]
    lines += [",".join(map(str, [i, ["dark", "light"][i % 2], *row])) for i, row in enumerate(pixels)]
    Path("train.csv").write_text("\n".join(lines))
    fields = {"data": "csv:train.csv", "target": "kind", "image_shape": "8x8", "labels": 8}
    run.train(settings(**fields, epochs=3, labelled_batch_size=8, batch_size=10), tmp_path / "run")
    saved_run.export(Workdir(tmp_path / "run"), tmp_path / "out", verbose=False)
    predictor = prediction_table.Predictor(tmp_path / "out")
    assert predictor.dtype == "uint8" and set(predictor.columns) >= {"p_dark", "p_light"}
    Path("new.csv").write_text("\n".join(";".join(map(str, row)) for row in pixels[:10]), encoding="utf-8-sig")
    tables = PredictionFiles.of("p.csv")
    assert prediction_table.write(predictor, data.Examples("new.csv", predictor.shape, predictor.dtype), tables) == (10, 0)
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    expected = model.predict(pixels[:10].reshape(-1, 8, 8, 1) / np.float32(255), verbose=0)
    found = [[float(row["p_dark"]), float(row["p_light"])] for row in table(tables.predictions)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_file_classifies_raw_images(exported, raw):
    (file,) = other_formats.write_onnx(*exported)
    assert file.name == "classify.onnx"
    expected = tf.saved_model.load(exported[0]).signatures["classify"](x=raw)
    session = onnxruntime.InferenceSession(file)
    answer = dict(zip([value.name for value in session.get_outputs()], session.run(None, {"x": raw}), strict=True))
    assert set(answer) == set(expected)
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-5)
    np.testing.assert_array_equal(answer["class"], expected["class"])


def test_onnx_says_which_extra_is_missing(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"ONNX needs tf2onnx: pip install 'ssdgm_tf\[onnx\]'"):
        other_formats.write_onnx(*exported)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_names_the_operation_that_it_lacks(tmp_path):
    """And leaves no half of a file."""
    archive = keras.export.ExportArchive()
    spec = tf.TensorSpec((None, 2), tf.float32, "x")
    archive.add_endpoint("classify", lambda x: {"probabilities": tf.math.xlogy(x, x)}, input_signature=[spec])
    archive.write_out(tmp_path / "served", verbose=False)
    with pytest.raises(UserError, match=r"only operations of ONNX\. Received: classify, with Xlogy"):
        other_formats.write_onnx(tmp_path / "served", ["classify"])
    assert not list((tmp_path / "served").glob("*onnx*"))
