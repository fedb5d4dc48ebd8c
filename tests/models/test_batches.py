"""One table of where batches come from: each trains, evaluates and predicts as arrays do, or is refused as they are."""

import grain
import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.layers import supports
from ssdgm_tf.models import M2, GraphicalModel, batches
from tests.tiers import tiers

SIZE = 40  # of a batch; `tiny` has 120 examples


class Batches(keras.utils.PyDataset):
    """A PyDataset of a list of batches."""

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts, self.passes = parts, 0

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]

    def on_epoch_end(self):
        self.passes += 1


def endless(parts):
    while True:
        yield from parts


def dataset_of(parts):
    return tf.data.Dataset.from_generator(lambda: iter(parts), output_signature=signature(parts[0]))


def signature(batch):
    return keras.tree.map_structure(
        lambda array: tf.TensorSpec(
            (None, *array.shape[1:]), tf.as_dtype(array.dtype) if array.dtype.kind in "biuf" else tf.string
        ),
        batch,
    )


def without_shapes(parts):
    def lost(tensor):
        return tf.numpy_function(lambda array: array, [tensor], tensor.dtype)

    return dataset_of(parts).map(lambda *batch: tf.nest.map_structure(lost, batch[0] if len(batch) == 1 else batch))


#: {name: a function from a list of batches to what a user hands over}; a generator is endless.
SOURCES = {
    "tf.data.Dataset": dataset_of,
    "a Dataset without static shapes": without_shapes,
    "PyDataset": Batches,
    "PyDataset with workers": lambda parts: Batches(parts, workers=2),
    "generator": endless,
    "iterator of lists": lambda parts: (list(b) if isinstance(b, tuple) else b for b in endless(parts)),
}
GENERATORS = ("generator", "iterator of lists")
#: For tests that trace a step.
TRACED = tiers(SOURCES, first=("tf.data.Dataset", "PyDataset", "generator"))


def steps(source, name, number=3):
    """The argument that a source without an end needs."""
    return {name: number} if source in GENERATORS else {}


def make():
    keras.utils.set_random_seed(3)
    model = M2(3, 2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile(keras.optimizers.SGD(0.1), num_unlabelled=108, num_labelled=12)
    return model


def labelled_in_every_batch(tiny):
    """`tiny` in an order in which every batch has labelled examples."""
    x, y = tiny
    order = np.argsort(np.r_[np.arange(12) * 10 + 9, np.delete(np.arange(120), np.arange(12) * 10 + 9)])
    order = np.argsort(y < 0, kind="stable").reshape(-1)
    known, unknown = order[:12].reshape(3, 4), order[12:].reshape(3, 36)
    order = np.concatenate([known, unknown], axis=1).reshape(-1)
    return x[order].astype(np.float32), y[order]


def cut(*arrays):
    """Batches of arrays; of one array, the parts themselves."""
    parts = [tuple(array[i : i + SIZE] for array in arrays) for i in range(0, 120, SIZE)]
    return [part if len(arrays) > 1 else part[0] for part in parts]


@pytest.fixture(scope="module")
def by_hand():
    """A function of a name and batches: the weights of a model after a step of each, which is made once for each name."""
    weights = {}

    def weights_after(name, parts):
        if name not in weights:
            model = make()
            for part in parts:
                model.train_on_batch(*(part if isinstance(part, tuple) else (part,)))
            weights[name] = model.get_weights()
        return weights[name]

    return weights_after


@pytest.mark.parametrize("source", TRACED)
def test_a_batch_is_a_step(source, tiny, by_hand):
    parts, model = cut(*labelled_in_every_batch(tiny)), make()
    model.fit(SOURCES[source](parts), verbose=0, **steps(source, "steps_per_epoch"))
    assert model.num_steps == 3
    for expected, got in zip(by_hand("pairs", parts), model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("source", TRACED)
def test_streams_are_taken_as_they_come(source, tiny, by_hand):
    x, y = tiny[0].astype(np.float32), tiny[1]
    parts, model = [{"labelled": (x[y >= 0], y[y >= 0]), "unlabelled": x[y < 0]}] * 2, make()
    model.fit(SOURCES[source](parts), verbose=0, **steps(source, "steps_per_epoch", 2))
    for expected, got in zip(by_hand("streams", parts), model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def trained():
    """An M2 for `tiny`, which no test of this module changes."""
    return make()


@pytest.mark.parametrize("source", TRACED)
def test_evaluation_and_prediction_are_those_of_arrays(source, tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    number = steps(source, "steps")
    expected = trained.evaluate(x, y, batch_size=SIZE, verbose=0, return_dict=True)
    got = trained.evaluate(SOURCES[source](cut(x, y)), verbose=0, return_dict=True, **number)
    for name in ("error", "ece", "classification_loss"):  # the others depend on draws
        assert got[name] == pytest.approx(expected[name], abs=1e-6)
    probabilities = trained.predict(x, verbose=0)
    for parts in (cut(x), cut(x, y)):
        predicted = trained.predict(SOURCES[source](parts), verbose=0, **number)
        np.testing.assert_allclose(predicted, probabilities, atol=1e-6)


@pytest.mark.parametrize("source", TRACED)
def test_validation_takes_them_too(source, tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    model = make()
    model.optimizer.learning_rate = 0.0
    data = SOURCES[source](cut(x, y))
    history = model.fit(x, y, validation_data=data, epochs=2, verbose=0, **steps(source, "validation_steps")).history
    expected = trained.evaluate(x, y, batch_size=SIZE, verbose=0, return_dict=True)  # of the same weights
    assert history["val_error"] == pytest.approx([expected["error"]] * 2)


LABELS = {
    "[B, 1]": lambda y: y[:, None],
    "whole floats": lambda y: y.astype(np.float32),
    "NaN for no label": lambda y: np.where(y < 0, np.nan, y).astype(np.float32),
    "int8": lambda y: y.astype(np.int8),
}


# The first tier has every form, and every source.
FORMS = [(form, source) for form in LABELS for source in SOURCES]
FORMS_FIRST = [(form, source) for form, source in FORMS if form == "NaN for no label" or source == "generator"]


@pytest.mark.parametrize(("form", "source"), tiers(FORMS, first=FORMS_FIRST))
def test_labels_of_any_form_are_the_same_labels(form, source, tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    np.testing.assert_array_equal(trained.data_format.y(LABELS[form](y), 120)["y"], y)
    got = take("evaluate", source, cut(x, LABELS[form](y)), trained.data_format)
    np.testing.assert_array_equal(np.concatenate([labels["y"] for _, labels in got]), y)
    got = take("fit", source, cut(x, LABELS[form](y)), trained.data_format)
    np.testing.assert_array_equal(np.concatenate([streams["labelled"][1]["y"] for streams in got]), y[y >= 0])
    np.testing.assert_array_equal(np.concatenate([streams["unlabelled"]["x"] for streams in got]), x[y < 0])


def replaced(array, index, value):
    array = array.copy()
    array[index] = value
    return array


#: {fault: (a change of x and y, the message of arrays, the message of batches)}; the fault is in the third batch.
FAULTS = {
    "a pixel above 1": (lambda x, y: (replaced(x, (87, 0, 0), 2), y), r"x must lie in \[0, 1\].*2"),
    "infinity": (lambda x, y: (replaced(x, (87, 0, 0), np.inf), y), "x must be finite"),
    "a label K": (lambda x, y: (x, replaced(y, 87, 3)), r"Labels of y must lie in 0..2, or be -1 for no label.*3"),
    "a label -2": (lambda x, y: (x, replaced(y, 87, -2)), r"Labels of y must lie in 0..2, or be -1 for no label.*-2"),
}
FIRST = {
    "pixels of bytes": (lambda x, y: ((255 * x).astype(np.uint8), y), r"x must lie in \[0, 1\].*Received: x in"),
    "text": (lambda x, y: (x.astype(str), y), "x must be numeric. Received: "),
    "another shape": (lambda x, y: (x[:, :3], y), r"x must have the shape \(4, 3\) per example"),
    "labels of text": (lambda x, y: (x, y.astype(str)), "Labels must be integers. Received: y of dtype"),
    "one-hot labels": (lambda x, y: (x, np.eye(3, dtype=int)[y]), "one label per example"),
    "labels of halves": (lambda x, y: (x, y + 0.5), "Labels must be integers"),
    "a third part": (lambda x, y: (x, y, y), "no weights|takes from 2 to 4|positional"),
}


CALLS = {
    "fit": lambda opened, taken: batches.training(opened, taken, batches.streams_of(opened, taken)),
    "evaluate": batches.evaluation,
    "predict": batches.prediction,
}


def take(call, source, parts, data_format):
    """Reads all batches as a method of a model does."""
    opened = batches.Source(SOURCES[source](parts), "steps", 3, only_x=call == "predict")
    if call == "evaluate":
        batches.first_pair(opened, data_format)
    with supports.as_value_errors():
        return list(CALLS[call](opened, data_format).take(3))


@pytest.mark.parametrize("source", ["tf.data.Dataset", "PyDataset", "generator"])
@pytest.mark.parametrize("fault", FAULTS | FIRST)
def test_what_arrays_refuse_batches_refuse(fault, source, tiny, trained):
    change, message = (FAULTS | FIRST)[fault]
    arrays, data_format = change(*labelled_in_every_batch(tiny)), trained.data_format
    if fault != "a third part":
        with pytest.raises(ValueError, match=message):
            data_format.y(arrays[1], len(data_format.x(arrays[0])["x"]))
    for call in CALLS:
        if call == "predict" and ("label" in fault or fault == "a third part"):  # which Keras does not look at
            continue
        with pytest.raises(ValueError, match=message):
            take(call, source, cut(*arrays), data_format)


def test_the_place_of_a_bad_value_is_named(tiny, trained):
    change, _ = FAULTS["a label K"]
    data = dataset_of(cut(*change(*labelled_in_every_batch(tiny))))
    with pytest.raises(ValueError, match=r"Received: \[3\] at index 7 of batch 2$"):
        trained.evaluate(data, verbose=0)


@pytest.mark.parametrize("source", ["tf.data.Dataset", "PyDataset", "generator"])
@pytest.mark.parametrize("missing", ["without", "with"])
def test_a_batch_that_lacks_a_kind_is_refused(missing, source, tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    y[80:] = -1 if missing == "with" else 0
    expected = r"Every batch \(x, y\) .* must hold labelled and unlabelled examples as the first one does.*"
    expected += r"Received: 0 labelled and 40 unlabelled" if missing == "with" else r"Received: 40 labelled and 0 unlabelled"
    with pytest.raises(ValueError, match=expected + " examples in batch 2"):
        take("fit", source, cut(x, y), trained.data_format)


def test_what_has_no_end_needs_a_number_of_steps(tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    for make_source in (endless, lambda parts: dataset_of(parts).repeat()):
        with pytest.raises(ValueError, match=r"steps_per_epoch must be given .* Received: steps_per_epoch=None, a "):
            trained.fit(make_source(cut(x, y)), verbose=0)
        with pytest.raises(ValueError, match=r"validation_steps must be given"):
            trained.fit(x, y, validation_data=make_source(cut(x, y)), verbose=0)
        for method in (trained.evaluate, trained.predict):
            with pytest.raises(ValueError, match=r"^steps must be given"):
                method(make_source(cut(x, y)), verbose=0)


@pytest.mark.parametrize("source", ["tf.data.Dataset", "PyDataset", "generator"])
def test_no_batch_is_refused(source, tiny, trained):
    data = {"tf.data.Dataset": dataset_of(cut(*tiny)).take(0), "PyDataset": Batches([]), "generator": iter(())}[source]
    for method, name in ((trained.fit, "steps_per_epoch"), (trained.evaluate, "steps"), (trained.predict, "steps")):
        with pytest.raises(ValueError, match=r"must hold at least one batch\. Received: none"):
            method(data, verbose=0, **steps(source, name))


@pytest.mark.usefixtures("eager")
def test_a_py_dataset_is_told_of_every_pass(tiny):
    parts = cut(*labelled_in_every_batch(tiny))[:2]
    training, validation = Batches(parts), Batches(parts)
    model = make()
    model.fit(training, validation_data=validation, epochs=2, verbose=0)
    model.evaluate(validation, verbose=0)
    model.predict(validation, verbose=0)
    assert (training.passes, validation.passes) == (2, 4)


@pytest.mark.usefixtures("eager")
def test_a_labelled_stream_that_ends_first_is_refused(tiny):
    x, y = tiny
    labelled = tf.data.Dataset.from_tensor_slices((x[y >= 0], y[y >= 0])).batch(6)
    unlabelled = tf.data.Dataset.from_tensor_slices(x[y < 0]).batch(9)
    streams = {"labelled": labelled, "unlabelled": unlabelled}
    zipped = tf.data.Dataset.zip(streams).map(lambda batch: batch).prefetch(2)
    with pytest.raises(ValueError, match=r"repeat\(\) goes round\. Received: batches labelled: 2, unlabelled: 12"):
        make().fit(zipped, verbose=0)
    model = make()
    model.fit(tf.data.Dataset.zip(streams | {"labelled": labelled.repeat()}), verbose=0)
    assert model.num_steps == 12


@pytest.mark.usefixtures("eager")
def test_of_several_variables_any_may_be_left_out():
    generative = {"a": nodes.OneHotCategorical(2), "b": nodes.Normal(1), "x": nodes.Normal(3, parents=("a", "b"))}
    recognition = {"a": nodes.OneHotCategorical(2, parents="x"), "b": nodes.Normal(1, parents="x")}
    model = GraphicalModel(generative, recognition, observed="x", supervised=("a", "b"), seed=1)
    model.compile(keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    a, b = np.arange(120) % 2, x[:, 0]
    model.build((None, 3))
    got = model.evaluate(dataset_of(cut(x, a)).map(lambda x, a: (x, {"a": a})), verbose=0, return_dict=True)
    assert got["a_error"] == model.evaluate(x, {"a": a}, verbose=0, return_dict=True)["a_error"]
    with pytest.raises(ValueError, match=r"y must be a dict of \['a', 'b'\]"):
        model.evaluate(dataset_of(cut(x, a)), verbose=0)
    of_b = take("evaluate", "tf.data.Dataset", [(x, {"b": b}) for x, b in cut(x, b)], model.data_format)
    np.testing.assert_array_equal(np.concatenate([y["b"] for _, y in of_b]), x[:, :1])  # a number is [1]
    assert all((y["a"].numpy() == -1).all() for _, y in of_b)


def test_a_labelled_stream_of_unknown_length_must_go_round(tiny, trained):
    x, y = tiny
    labelled = tf.data.Dataset.from_tensor_slices((x, y)).filter(lambda x, y: y >= 0).batch(6)
    streams = {"labelled": labelled, "unlabelled": tf.data.Dataset.from_tensor_slices(x[y < 0]).batch(9)}
    with pytest.raises(ValueError, match="Received: batches labelled: an unknown number, unlabelled: 12"):
        trained.fit(tf.data.Dataset.zip(streams), verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_no_batch_of_a_generator_is_lost(method, tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    taken = []

    def generator():
        for batch in endless(cut(x, y)):
            taken.append(1)
            yield batch

    arguments = {"steps_per_epoch": 3} if method == "fit" else {"steps": 3}
    (make() if method == "fit" else trained).__getattribute__(method)(generator(), verbose=0, **arguments)
    assert len(taken) == 3


CHANGED = {
    "halves after whole numbers": lambda x, y: (x + 0.5, y),
    "labels of halves": lambda x, y: (x, y + 0.5),
    "another shape": lambda x, y: (x[:, :2], y),
    "text": lambda x, y: (x, y.astype(str)),
    "x alone": lambda x, y: x,
    "weights beside": lambda x, y: (x, y, y),
}


@pytest.mark.parametrize("source", ["PyDataset", "generator"])
@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.usefixtures("eager")
def test_a_later_batch_of_another_form_is_refused(change, source, tiny):
    x, y = labelled_in_every_batch(tiny)
    parts = cut(np.round(x).astype(int), y)
    parts[2] = CHANGED[change](*parts[2])
    with pytest.raises(
        ValueError, match=r"^Every batch must be like the first, \('int64 \[4, 3\]', 'int64 \[\]'\). Received: "
    ):
        make().evaluate(SOURCES[source](parts), verbose=0, **steps(source, "steps"))


def test_larger_integers_may_come_later(tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    parts = [(x, y.astype(kind)) for (x, y), kind in zip(cut(x, y), (np.int8, np.int64, np.int32), strict=True)]
    got = take("evaluate", "generator", parts, trained.data_format)
    np.testing.assert_array_equal(np.concatenate([labels["y"] for _, labels in got]), y)


@pytest.mark.usefixtures("eager")
def test_an_error_of_the_source_comes_as_it_was(tiny):
    def generator():
        yield cut(*labelled_in_every_batch(tiny))[0]
        raise KeyError("of the user's")

    with pytest.raises(KeyError, match="of the user's"):
        make().evaluate(generator(), steps=3, verbose=0)


def test_an_empty_batch_is_refused(tiny, trained):
    x, y = labelled_in_every_batch(tiny)
    with pytest.raises(ValueError, match=r"A batch must hold at least one example\. Received: none in batch 1"):
        take("evaluate", "generator", [(x, y), (x[:0], y[:0]), (x, y)], trained.data_format)


class Loader:
    """What loaders of PyTorch and Grain share: batches by iteration, lists for tuples, perhaps a length."""

    def __init__(self, parts):
        self.parts = parts

    def __iter__(self):
        return iter(self.parts)


class Sized(Loader):
    def __len__(self):
        return len(self.parts)


@pytest.mark.usefixtures("eager")
def test_a_loader_is_read_again_for_every_epoch(tiny, monkeypatch):
    monkeypatch.setattr("ssdgm_tf.keras_internals.is_loader", lambda data: isinstance(data, Loader))
    x, y = labelled_in_every_batch(tiny)
    streams = [{"labelled": [x[y >= 0], y[y >= 0]], "unlabelled": x[y < 0]}]
    for parts in (streams, [list(part) for part in cut(x, y)], cut(x)):
        for kind in (Loader, Sized):
            model = make()
            model.fit(kind(parts), epochs=2, verbose=0)
            assert model.num_steps == 2 * len(parts)


def grain_loaders(x, y):
    """What Grain has for the batches of (x, y), by its name."""
    rows = list(zip(x, y, strict=True))
    batches = grain.MapDataset.source(rows).seed(0).shuffle().batch(20)
    sampler = grain.samplers.IndexSampler(len(rows), shuffle=True, seed=0, num_epochs=1)
    loader = grain.DataLoader(data_source=rows, sampler=sampler, operations=[grain.transforms.Batch(20)])
    return {"MapDataset": batches, "IterDataset": batches.to_iter_dataset(), "DataLoader": loader}


@pytest.mark.parametrize("kind", tiers(["MapDataset", "IterDataset", "DataLoader"], first=["IterDataset"]))
def test_grain(kind, tiny):
    x, y = labelled_in_every_batch(tiny)
    model, loader = make(), grain_loaders(x, y)[kind]
    model.fit(loader, epochs=2, validation_data=loader, verbose=0)
    assert model.num_steps == 2 * -(-len(x) // 20)
    of_loader, of_arrays = (model.evaluate(*data, return_dict=True, verbose=0)["error"] for data in ((loader,), (x, y)))
    assert of_loader == pytest.approx(of_arrays)
    predicted = model.predict(loader, verbose=0)
    np.testing.assert_allclose(predicted.sum(axis=0), model.predict(x, verbose=0).sum(axis=0), rtol=1e-4)
    if kind == "MapDataset":
        with pytest.raises(ValueError, match=r"steps_per_epoch must be given .* a RepeatMapDataset"):
            model.fit(loader.repeat(), verbose=0)


BAD_COUNTS = [("batch_size", 0), ("batch_size", 2.5), ("steps_per_epoch", -1), ("steps_per_epoch", 2.5)]


@pytest.mark.parametrize(("name", "value"), BAD_COUNTS)
def test_numbers_of_steps_and_examples_are_whole(name, value, tiny, trained):
    with pytest.raises(ValueError, match=rf"{name} must be a whole number of at least 1. Received: {name}={value}"):
        trained.fit(*tiny, **{name: value}, verbose=0)


def test_what_is_for_arrays_is_refused_beside_batches(tiny, trained):
    with pytest.raises(ValueError, match=r"are for arrays; .* Received: batch_size=7"):
        trained.fit(dataset_of(cut(*tiny)), batch_size=7, verbose=0)
    with pytest.raises(ValueError, match=r"evaluate weighs examples only by gamma.*\['sample_weight'\]"):
        trained.evaluate(*tiny, sample_weight=tiny[1], verbose=0)
