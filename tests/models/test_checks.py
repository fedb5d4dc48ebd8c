"""Bad input: one message with the rule and what was received, and a model left as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import M2, VAE, GraphicalModel


def bad_pixel(value):
    def change(x, y):
        x = x.copy()
        x[5, 1, 2] = value
        return x, y

    return change


def bad_label(index, value, dtype=int):
    def change(x, y):
        y = y.astype(dtype)
        y[index] = value
        return x, y

    return change


CASES = {
    "infinite pixel": (
        bad_pixel(np.inf),
        r"x must be finite in float32. Received: NaN or infinite values, the first at .*5.*1.*2",
    ),
    "pixel above 1": (bad_pixel(255), r"x must lie in \[0, 1\]: divide by 255. Received: x in \[.*, 255\]"),
    "pixel below 0": (bad_pixel(-0.5), r"Received: x in \[-0.5, "),
    "label K": (bad_label(4, 3), r"Labels of y must lie in 0..2, or be -1 for no label. Received: \[3\], .* index 4"),
    "label -2": (bad_label(0, -2), r"Received: \[-2\]"),
    "label 0.5": (bad_label(0, 0.5, float), r"Labels must be integers. Received: y of dtype float64"),
    "label of text": (lambda x, y: (x, y.astype(str)), r"Labels must be integers. Received: y of dtype <U"),
    "lengths": (lambda x, y: (x, y[:-1]), r"one label per example, shape \(120,\). Received: y of shape \(119,\)"),
    "one-hot": (lambda x, y: (x, np.eye(3)[y]), r"one label per example, shape \(120,\). Received: y of shape \(120, 3\)"),
    "no example": (lambda x, y: (x[:0], y[:0]), r"x must hold at least one example"),
    "text": (lambda x, y: (x.astype(str), y), r"x must be numeric"),
    "shape": (
        lambda x, y: (x[:, :3], y),
        r"x must have the shape \(4, 3\) per example. Received: x of shape \(120, 3, 3\)",
    ),
}


@pytest.fixture(scope="module")
def built():
    """An M2 for `tiny`, built and compiled, which every refusal leaves as it is."""
    keras.utils.set_random_seed(17)
    model = M2(3, latent_dim=2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile("adam")
    return model


@pytest.mark.parametrize("case", CASES)
def test_fit_refuses(case, tiny, built):
    change, message = CASES[case]
    before = [weight.copy() for weight in built.get_weights()]
    with pytest.raises(ValueError, match=message):
        built.fit(*change(*tiny), verbose=0)
    for old, new in zip(before, built.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("case", CASES)
def test_evaluate_refuses(case, tiny, built):
    change, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        built.evaluate(*change(*tiny), verbose=0)


@pytest.mark.parametrize("method", ["predict", "encode", "reconstruct", "analogies", "log_likelihood"])
@pytest.mark.parametrize("case", ["infinite pixel", "pixel above 1", "shape"])
def test_inference_refuses(method, case, tiny, built):
    change, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        getattr(built, method)(change(*tiny)[0])


def test_a_call_refuses_images_of_another_shape_even_of_as_many_pixels(tiny, built):
    with pytest.raises(ValueError, match=r"built for, \(4, 3\). Received: a tensor of shape \(120, 3, 4\)"):
        built(tiny[0].reshape(120, 3, 4))


@pytest.mark.usefixtures("eager")
def test_integral_floats_and_columns_are_labels(tiny, tiny_m2):
    x, y = tiny
    tiny_m2.fit(x, y.astype(float)[:, None], verbose=0)
    assert tiny_m2.objective_scale.num_labelled == 12


@pytest.mark.usefixtures("eager")
def test_any_pixel_suits_a_normal_likelihood(tiny):
    x, y = tiny
    model = M2(3, 2, hidden_units=(8,), likelihood="normal")
    model.compile("adam")
    assert np.isfinite(model.fit(3 * x - 1, y, verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    ("likelihood", "change", "message"),
    [
        ("normal", lambda x: 16 * x, "scale 0.2 suits values .* Received: a standard deviation of 4.6"),
        ("normal", lambda x: np.round(255 * x), "divide by 255. Received: whole numbers up to 25[0-9]"),
        (
            "normal",
            lambda x: np.repeat(np.moveaxis(x, 1, 2)[..., None], 8, 3),
            r"channels come last.* images of shape \(3, 4, 8\)",
        ),
        ("laplace", lambda x: 1e3 * x, "should be standardised. Received: a standard deviation of 28"),
    ],
)
@pytest.mark.usefixtures("eager")
def test_fit_says_what_hinders_training(likelihood, change, message, tiny):
    x, y = tiny
    x = change(x).astype(np.float32)
    if likelihood == "normal":
        model = M2(3, 2, hidden_units=(8,), likelihood="normal")
    else:
        generative = {"y": nodes.OneHotCategorical(3), "x": nodes.Laplace(x.shape[1:], parents="y")}
        model = GraphicalModel(generative, {"y": nodes.OneHotCategorical(3, parents="x")}, observed="x", supervised="y")
    model.compile(keras.optimizers.SGD(0.0))
    with pytest.warns(UserWarning, match=message):
        model.fit(x, y, verbose=0)
    dataset = tf.data.Dataset.from_tensors({"labelled": (x[y >= 0], y[y >= 0]), "unlabelled": x[y < 0]})
    with pytest.warns(UserWarning, match=message):
        model.fit(dataset, verbose=0)


@pytest.mark.usefixtures("eager")
def test_a_class_without_labels_is_named(tiny, tiny_m2):
    x, y = tiny
    y = np.where(y == 1, -1, y)
    with pytest.warns(UserWarning, match=r"No labelled example of class \[1\] of y"):
        tiny_m2.fit(x, y, verbose=0)


@pytest.mark.usefixtures("eager")
def test_no_label_trains_as_an_unsupervised_model_and_says_so(tiny, tiny_m2):
    x, y = tiny
    with pytest.warns(UserWarning, match="No labelled example: training as an unsupervised model"):
        history = tiny_m2.fit(x, np.full_like(y, -1), batch_size=120, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["loss"], -np.array(history["bound_unlabelled"]), rtol=1e-6)
    assert "bound_labelled" not in history and "error" not in history


@pytest.mark.usefixtures("eager")
def test_no_unlabelled_example_trains_as_a_supervised_model_and_says_so(tiny, tiny_m2):
    x, _ = tiny
    with pytest.warns(UserWarning, match="No unlabelled example: training as a supervised model"):
        history = tiny_m2.fit(x, np.arange(120) % 3, batch_size=120, epochs=2, verbose=0).history
    expected = -np.array(history["bound_labelled"]) + tiny_m2.objective_scale.classification_weight * np.array(
        history["classification_loss"]
    )
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)
    assert "bound_unlabelled" not in history


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (lambda x, y: (x, y, y), r"A batch must be .* no weights .* Received: a Dataset of \(x, y, sample_weight\)"),
        (lambda x, y: {"other": x}, r"x may hold \['x'\]. Received: \['other'\]"),
        (lambda x, y: {"labelled": x, "unlabelled": x}, "A batch must be .* Received: a Dataset of "),
        (lambda x, y: {"labelled": (x, tf.cast(y, "float32") + 0.5), "unlabelled": x}, "Labels must be integers"),
        (lambda x, y: {"labelled": (x, y), "unlabelled": x[:, :2]}, r"x must have the shape .*\(4, 3\)"),
    ],
)
def test_fit_refuses_a_dataset_of_another_structure(element, message, tiny, built):
    x, y = tiny
    dataset = tf.data.Dataset.from_tensors((x[:12], y[:12])).map(element)
    with pytest.raises(ValueError, match=message):
        built.fit(dataset, verbose=0)


@pytest.mark.parametrize(
    ("x_value", "y_value", "message"),
    [
        (np.inf, 0, r"x must be finite. Received: \[inf\] at index 1 of batch 1"),
        (2.0, 0, r"x must lie in \[0, 1\]. Received: \[2\] at index 1 of batch 1"),
        (0.5, 3, r"Labels of y must lie in 0..2. Received: \[3\] at index 0 of batch 1"),
        (0.5, -1, r"Labels of y must lie in 0..2. Received: \[-1\] at index 0 of batch 1"),
    ],
)
@pytest.mark.usefixtures("eager")
def test_fit_stops_at_bad_values_in_a_dataset(x_value, y_value, message, tiny_m2):
    x, y = np.full((6, 4, 3), 0.5, np.float32), np.zeros(6, np.int32)
    x[3, 0, 0], y[2] = x_value, y_value
    dataset = tf.data.Dataset.from_tensor_slices({"labelled": (x, y), "unlabelled": x}).batch(2)
    with pytest.raises(ValueError, match=f"^{message}$"):
        tiny_m2.fit(dataset, verbose=0)
    if y_value >= 0:  # else a label of its data that is not known
        with pytest.raises(ValueError, match=message.replace("0..2", "0..2, or be -1 for no label")):
            tiny_m2.evaluate(dataset.map(lambda batch: batch["labelled"]), verbose=0)


@pytest.mark.parametrize("argument", ["sample_weight", "class_weight", "validation_split"])
def test_fit_refuses_what_it_would_ignore(argument, tiny, built):
    with pytest.raises(ValueError, match=rf"weighs examples only by gamma.* Received: \['{argument}'\]"):
        built.fit(*tiny, verbose=0, **{argument: 0.5})


def test_labels_beside_a_dataset_are_refused(tiny, built):
    dataset = tf.data.Dataset.from_tensors(tiny)
    for method in (built.fit, built.evaluate):
        with pytest.raises(ValueError, match=r"y must be None where x is a data set"):
            method(dataset, tiny[1], verbose=0)
    with pytest.raises(ValueError, match=r"must be batches \(x, y\). Received: batches of \['unlabelled'\]"):
        built.evaluate(dataset.map(lambda x, y: {"unlabelled": x}), verbose=0)


def test_what_cannot_be_balanced_is_refused(tiny, built):
    with pytest.raises(ValueError, match=r"balance are for arrays.* Received: balance=True"):
        built.fit(tf.data.Dataset.from_tensors(tiny), balance=True, verbose=0)
    for supervised in (("number",), ("number", "label"), ("label", "other")):
        makers = {name: nodes.Normal if name == "number" else nodes.OneHotCategorical for name in supervised}
        generative = {name: make(3) for name, make in makers.items()} | {"x": nodes.Normal(4, parents=supervised)}
        recognition = {name: make(3, parents="x") for name, make in makers.items()}
        model = GraphicalModel(generative, recognition, "x", supervised)
        model.compile("sgd")
        with pytest.raises(ValueError, match=f"must be a class. Received: GraphicalModel, with {', '.join(supervised)}$"):
            model.fit(np.zeros((6, 4)), None, balance=True, verbose=0)
    model = VAE(2, hidden_units=(4,))
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"balance needs a model with one supervised variable.* Received: VAE, with none"):
        model.fit(np.zeros((6, 4)), balance=True, verbose=0)


def test_methods_that_need_weights_or_compile_say_so(tiny):
    x, y = tiny
    model = M2(3)
    with pytest.raises(ValueError, match=r"Call compile\(\) before fit"):
        model.fit(x, y)
    with pytest.raises(ValueError, match=r"takes the shape of 'x' from fit\(\) or build\(\)"):
        model.generate({"y": [1]})
    with pytest.raises(ValueError, match=r"takes the shape of 'x' from fit\(\) or build\(\)"):
        model.encode(x)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"gamma": -1.0}, "gamma must not be negative. Received: gamma=-1.0"),
        ({"classification_weight": -1.0}, "classification_weight must not be negative"),
        ({"num_samples": 0}, "num_samples must be at least 1"),
        ({"num_labelled": 3}, "num_unlabelled and num_labelled go together"),
        ({"loss": "mse"}, r"compile takes none. Received: \['loss'\]"),
    ],
)
def test_compile_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        M2(3).compile("adam", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2. Received: num_classes=1"),
        ({"num_classes": 3, "likelihood": "gamma"}, "likelihood must be one of .* Received: likelihood='gamma'"),
        ({"num_classes": 3, "latent_dim": 0}, "event_shape must be a positive integer"),
        ({"num_classes": 3, "hidden_units": ()}, "hidden_units must hold"),
    ],
)
def test_m2_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        M2(**kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"given": {"y": [3]}}, "Labels of y must lie in 0..2"),
        ({"given": {"y": [-1]}}, "generate needs a value of 'y' per example"),
        ({"given": {"style": [1]}}, "generate takes values of .*'y', 'z'.* Received: given=.*style"),
        ({}, "generate takes values of .* or num_samples. Received: neither"),
        ({"given": {"y": [1], "z": [[0, 0], [1, 1]]}}, "as many values of each variable. Received: .*'y': 1, 'z': 2"),
        ({"given": {"z": [[0.0, 1.0, 2.0]]}}, r"z must have the shape \(2,\) per example. Received: z of shape \(1, 3\)"),
    ],
)
def test_generate_refuses(kwargs, message, built):
    with pytest.raises(ValueError, match=message):
        built.generate(**kwargs)


def test_a_truncated_or_foreign_file_is_refused(tmp_path, tiny_m2):
    """Through the trainer's loader: one message for whatever Keras' readers raise."""
    from ssdgm_tf.errors import UserError
    from ssdgm_tf.runs import checkpoints

    whole, cut = tmp_path / "whole.keras", tmp_path / "cut.keras"
    tiny_m2.save(whole)
    cut.write_bytes(whole.read_bytes()[:1000])
    text = tmp_path / "text.keras"
    text.write_text("not a model")
    foreign = tmp_path / "foreign.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(foreign)
    for path in (cut, text, foreign, tmp_path / "absent.keras"):
        with pytest.raises(UserError, match=r"The model must be .* Received: .*\.keras"):
            checkpoints.load(path)
    assert isinstance(checkpoints.load(whole), M2)
