"""The SavedModel of every model: each signature against the method of the Keras model, alone, and through other readers."""

import json
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.errors import UserError
from ssdgm_tf.layers.supports import Classes
from ssdgm_tf.models import saved_model
from ssdgm_tf.runs.other_formats import write_litert, write_onnx
from tests.conformance.descriptors import DESCRIPTORS
from tests.conformance.test_conformance import inputs
from tests.tiers import tiers

MODELS = [name for name in DESCRIPTORS if name in models.__all__]


def exported(model, folder, **options):
    model.export(folder, verbose=False, **options)
    return tf.saved_model.load(folder).signatures


def tensors(signature, values):
    """`values` by name, in the dtypes that the signature asks for."""
    specs = signature.structured_input_signature[1]
    return {name: tf.constant(values[name], spec.dtype) for name, spec in specs.items()}


def by_name(model, value):
    return value if isinstance(value, dict) else {model.graph.observed[0]: value}


def close(served, expected, tolerance=1e-5):
    np.testing.assert_allclose(served, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module", params=tiers(MODELS, first=["VAE", "M2"]))
def every(request, tmp_path_factory):
    """Each model, what it takes, its signatures, and where its SavedModel is; exported once."""
    descriptor, folder = DESCRIPTORS[request.param], tmp_path_factory.mktemp(request.param) / "served"
    model, x = descriptor.make(), inputs(descriptor)
    model(x)
    return model, x, exported(model, folder), folder


def test_signatures_answer_as_the_methods_do_for_any_number_of_examples(every):
    model, x, served, _ = every
    encoded, of_all = model.encode(x), model.predict(x, verbose=0)
    graph = model.graph
    for size in (7, 2):
        part, predicted = (keras.tree.map_structure(lambda a, n=size: a[:n], of) for of in (by_name(model, x), of_all))

        def ask(signature, more=None, part=part):
            return served[signature](**tensors(served[signature], part | (more or {})))

        for variable, head in model.data_format.supervised.items():
            of_one = predicted[variable] if len(graph.supervised) > 1 else predicted
            suffix = f"_{variable}" if len(graph.supervised) > 1 else ""
            if isinstance(head.support, Classes):
                answer = ask("classify" + suffix)
                close(answer["probabilities"], of_one)
                assert answer["class"].numpy().tolist() == of_one.argmax(axis=-1).tolist()
                p = np.maximum(answer["probabilities"], 1e-30)
                close(answer["entropy"], -np.sum(p * np.log(p), axis=-1))
            else:
                answer = ask("estimate" + suffix)
                close(answer["mean"], of_one["mean"])
                close(answer["stddev"], of_one["stddev"])
        answer = ask("encode")
        assert set(answer) == set(encoded)
        for variable, mean in encoded.items():
            close(answer[variable], mean[:size])
        for variable, mean in by_name(model, model.reconstruct(x)).items():
            close(ask("reconstruct")[variable], mean[:size])
    one = ask("log_likelihood", {"num_samples": 1, "seed": 5})["log_likelihood"]
    close(one, model.log_likelihood(part if len(graph.observed) > 1 else part["x"], num_samples=1, seed=5), 1e-4)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_litert_classifies_as_keras_does_where_draws_are_averaged_too(every):
    """Every named model: the draws of a prediction are constants."""
    model, x, _, folder = every
    names = [name for name in model.signatures() if name.startswith("classify")]
    assert bool(names) == any(isinstance(head.support, Classes) for head in model.data_format.supervised.values())
    files = write_litert(folder, list(model.signatures()))
    assert [file.stem for file in files] == names
    for file in files:
        predicted, variable = model.predict(x, verbose=0), file.stem.removeprefix("classify").removeprefix("_")
        answer = tf.lite.Interpreter(model_path=str(file)).get_signature_runner(file.stem)(x=x)
        close(answer["probabilities"], predicted[variable] if variable else predicted)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_classifies_as_keras_does(every):
    """But for canvases: before the first digit there is an empty array, and in a shape of ONNX 0 stands for "as before"."""
    model, x, served, folder = every
    if isinstance(model, models.MultiDigit):
        with pytest.raises(UserError, match=r"only operations of ONNX\. Received: classify_count, with Reshape"):
            write_onnx(folder, list(model.signatures()))
        return
    files = write_onnx(folder, list(model.signatures()))
    assert [file.stem for file in files] == [name for name in model.signatures() if name.startswith("classify")]
    for file in files:
        session = onnxruntime.InferenceSession(file)
        (given,) = [value.name for value in session.get_inputs()]
        names = [value.name for value in session.get_outputs()]
        assert (given, sorted(names)) == ("x", ["class", "entropy", "probabilities"])
        expected = served[file.stem](x=tf.constant(x))
        for name, value in zip(names, session.run(None, {given: np.asarray(x)}), strict=True):
            np.testing.assert_allclose(value, expected[name], atol=1e-5)


def test_generate_and_decode(every):
    """The same seed gives the images of the method; what all is given for needs none."""
    model, _, served, _ = every
    given = {}
    for variable in saved_model._givens(model.graph):
        head = model.data_format.observed.get(variable) or model.data_format.supervised[variable]
        values = np.random.default_rng(0).normal(size=(4, *head.event_shape)).astype("float32")
        unit = values / np.linalg.norm(values, axis=-1, keepdims=True)  # a direction is one
        given[variable] = np.arange(4) % head.num_classes if head.num_states else unit
    size = {} if given else {"num_examples": 4}
    drawn = served["generate"](**tensors(served["generate"], given | size | {"seed": 3}))
    expected = by_name(model, model.generate(given, num_samples=None if given else 4, seed=3))
    for variable, image in drawn.items():
        close(image, expected[variable])
    again = served["generate"](**tensors(served["generate"], given | size | {"seed": 4}))
    assert not np.array_equal(again["x"], drawn["x"])
    heads = {variable: model.recognition[variable].head for variable in model.graph.inferred} | model.data_format.observed
    shapes = {name: () if head.num_states else head.event_shape for name, head in heads.items()}
    names = served["decode"].structured_input_signature[1]
    point = {name: given[name][:2] if name in given else np.zeros((2, *shapes[name])) for name in names}
    decoded = served["decode"](**tensors(served["decode"], point))["x"]
    close(decoded, by_name(model, model.generate(point, seed=0))["x"])


@pytest.mark.slow
def test_the_bound_rises_with_the_number_of_samples_and_agrees_with_the_method(tiny, tiny_m2, tmp_path):
    """Both estimate the mean over 40 images of log p(x), of 200 samples: four standard errors apart in one run of 10,000."""
    x = tiny[0][:40]
    served = exported(tiny_m2, tmp_path / "served")["log_likelihood"]

    def ask(num_samples, seed):
        return served(x=x, num_samples=tf.constant(num_samples), seed=tf.constant(seed, tf.int64))["log_likelihood"].numpy()

    one, many = (np.stack([ask(number, seed) for seed in range(8)]) for number in (1, 200))
    assert np.mean(one) < np.mean(many)
    error = float(np.std(many.mean(axis=1), ddof=1))
    of_method = np.mean(tiny_m2.log_likelihood(x, num_samples=200, seed=1))
    assert np.mean(many) == pytest.approx(of_method, abs=5 * error + 1e-4)
    np.testing.assert_array_equal(ask(5, 1), ask(5, 1))


def test_bad_requests_are_refused(tiny_m2, tmp_path):
    served = exported(tiny_m2, tmp_path / "served")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"y must lie in 0\.\.2"):
        served["generate"](y=tf.constant([3], tf.int64), seed=tf.constant(0, tf.int64))
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_samples must be at least 1"):
        x = tf.zeros((1, 4, 3))
        served["log_likelihood"](x=x, num_samples=tf.constant(0), seed=tf.constant(0, tf.int64))


def test_an_export_replaces_the_one_before_whole_or_not_at_all(tiny_m2, tmp_path, monkeypatch):
    tiny_m2.export(tmp_path / "served", verbose=False, extra={"names.json": "{}"})
    assert (tmp_path / "served" / "assets.extra" / "names.json").read_text() == "{}"
    before = (tmp_path / "served" / "saved_model.pb").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(saved_model, "_card", fail)
    with pytest.raises(OSError, match="No space"):
        tiny_m2.export(tmp_path / "served", verbose=False)
    assert (tmp_path / "served" / "saved_model.pb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_a_folder_of_something_else_is_left_alone(tiny_m2, tmp_path):
    (tmp_path / "thesis.txt").write_text("text")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ValueError, match="must be written to a new folder, or replace a SavedModel"):
            tiny_m2.export(target, verbose=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_beside_a_target_or_in_it_is_not_lost(tiny_m2, tmp_path):
    for name in ("partial-served", "previous-served"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("text")
    for _ in range(2):
        tiny_m2.export(tmp_path / "served", verbose=False)
    assert [path.name for path in tmp_path.rglob("thesis.txt")] == ["thesis.txt"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["partial-served", "previous-served", "served"]
    (tmp_path / "served" / "predictions.csv").write_text("name,class")
    with pytest.raises(ValueError, match=r"or replace a SavedModel\. Received: .*served, which holds predictions\.csv too"):
        tiny_m2.export(tmp_path / "served", verbose=False)
    assert (tmp_path / "served" / "predictions.csv").exists()
    (tmp_path / "served" / "predictions.csv").unlink()
    (tmp_path / "served" / "README.md").write_text("# My own words")
    with pytest.raises(ValueError, match=r"which holds a README\.md that is no model card of this package"):
        tiny_m2.export(tmp_path / "served", verbose=False)
    assert (tmp_path / "served" / "README.md").read_text() == "# My own words"


def test_every_weight_is_there_once(tiny_m2, tmp_path):
    tiny_m2.export(tmp_path / "served", verbose=False)
    saved = tf.train.list_variables(str(tmp_path / "served" / "variables" / "variables"))
    sizes = [np.prod(shape) for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    assert sum(sizes) == sum(np.prod(weight.shape) for weight in tiny_m2.trainable_variables)


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/b", "..", "", "a\\b"])
def test_what_travels_with_it_stays_in_its_folder(tiny_m2, tmp_path, name):
    with pytest.raises(ValueError, match="extra holds names of files"):
        tiny_m2.export(tmp_path / "served", verbose=False, extra={name: "text"})
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="takes the shape of 'x' from fit"):
        models.M2(3).export(tmp_path / "served")


ALONE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ssdgm_tf", "tensorflow_probability", "tf_keras"):
            raise ImportError(name + " is hidden")
sys.meta_path.insert(0, Hidden())
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
x = np.load(sys.argv[2])
np.savez(sys.argv[3], **{k: v.numpy() for k, v in served["classify"](x=tf.constant(x)).items()},
         image=served["generate"](y=tf.constant([1, 2], tf.int64), seed=tf.constant(7, tf.int64))["x"].numpy())
assert not any(name.startswith(("ssdgm", "tensorflow_probability")) for name in sys.modules)
"""


@pytest.mark.slow
def test_a_fresh_process_with_tensorflow_alone_gives_the_same_numbers(tiny, tiny_m2, tmp_path):
    x = tiny[0][:5]
    tiny_m2.export(tmp_path / "served", verbose=False)
    np.save(tmp_path / "x.npy", x)
    paths = [str(tmp_path / name) for name in ("served", "x.npy", "out.npz")]
    done = subprocess.run([sys.executable, "-c", ALONE, *paths], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(paths[2]) as answer:
        close(answer["probabilities"], tiny_m2.predict(x, verbose=0))
        close(answer["image"], tiny_m2.generate({"y": [1, 2]}, seed=7))


def test_keras_reads_it_as_a_layer(tiny, tiny_m2, tmp_path):
    tiny_m2.export(tmp_path / "served", verbose=False)
    layer = keras.layers.TFSMLayer(str(tmp_path / "served"), call_endpoint="classify")
    close(layer(tiny[0][:3])["probabilities"], tiny_m2.predict(tiny[0][:3], verbose=0))


def test_rest_requests_in_the_form_of_tensorflow_serving(tiny, tiny_m2, tmp_path):
    """Rows ("instances") where every input has an example axis, columns ("inputs") where one is a scalar.

    https://www.tensorflow.org/tfx/serving/api_rest: values take the dtype of the signature, outputs are lists by name.
    """
    served = exported(tiny_m2, tmp_path / "served")
    x = tiny[0][:2]
    rows = json.loads(json.dumps({"signature_name": "classify", "instances": x.tolist()}))
    answer = served[rows["signature_name"]](**tensors(served["classify"], {"x": rows["instances"]}))
    predictions = [{name: value[i].numpy().tolist() for name, value in answer.items()} for i in range(2)]
    assert {"probabilities", "class", "entropy"} == set(json.loads(json.dumps(predictions))[0])
    columns = json.loads(json.dumps({"signature_name": "generate", "inputs": {"y": [0, 2], "seed": 1}}))
    images = served["generate"](**tensors(served["generate"], columns["inputs"]))
    close(images["x"], tiny_m2.generate({"y": [0, 2]}, seed=1))


def test_raw_values_go_in_where_preprocessing_is_given(tiny, tmp_path):
    class Halved:
        spec = tf.TensorSpec((None, 4, 3), tf.uint8)

        def transform(self, raw):
            return tf.cast(raw, tf.float32) / 2.0

        def inverse(self, x):
            return x * 2.0

    model = models.GraphicalModel(
        {"z": nodes.Normal(2), "x": nodes.Normal((4, 3), parents="z", network=layers.MLP((4,)))},
        {"z": nodes.Normal(2, parents="x", network=layers.MLP((4,)))},
        observed="x",
        seed=0,
    )
    served = exported(model, tmp_path / "served", preprocessing={"x": Halved()})
    raw = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    assert served["encode"].structured_input_signature[1]["x"].dtype == tf.uint8
    close(served["encode"](x=raw)["z"], model.encode(raw / np.float32(2))["z"])
    close(served["reconstruct"](x=raw)["x"], 2 * model.reconstruct(raw / np.float32(2)), 1e-4)
    seed = tf.constant(2, tf.int64)
    close(served["generate"](num_examples=tf.constant(3), seed=seed)["x"], 2 * model.generate(num_samples=3, seed=2))
