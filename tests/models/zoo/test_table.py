"""The model of tables: its objective, its shares of classes, several targets, and its files."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import models
from ssdgm_tf.schema import Schema, Targets, class_target, infer, number_target

NUM = 60


def a_table(num=NUM):
    r = np.random.default_rng(0)
    kind = r.random(num) < 0.9
    size = r.normal(size=num) + 2.0 * kind
    table = {"size": size.tolist(), "colour": np.where(r.random(num) < 0.2 + 0.6 * kind, "red", "blue").tolist()}
    table["other"] = [None if gap else float(v) for gap, v in zip(r.random(num) < 0.2, r.random(num), strict=True)]
    return table, kind.astype(np.int32), size.astype(np.float32)


@pytest.fixture(scope="module")
def data():
    """A schema, its rows, and targets of which both classes have four labels each and 20 numbers are known."""
    table, kind, size = a_table()
    schema, _ = infer(table)
    labels = np.full(NUM, -1, np.int32)
    for label in (0, 1):
        labels[np.flatnonzero(kind == label)[:4]] = label
    numbers = np.where(np.arange(NUM) < 20, size, np.nan)[:, None].astype(np.float32)
    return schema, schema.encode(table), {"kind": labels, "size_": numbers}


TARGETS = Targets(Schema([class_target("kind", ["no", "yes"]), number_target("size ", np.array([-1.0, 1.0]))]))
KIND = Targets(Schema([class_target("kind", ["no", "yes"])]))


def made(schema, targets=KIND, **options):
    model = models.Table(targets, 2, (8,), schema=schema, seed=1, **options)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    return model


def test_variables_are_named_by_their_columns(data):
    assert made(data[0]).graph.supervised == ("y",)
    assert made(data[0], TARGETS).graph.supervised == ("kind", "size_")


def test_it_needs_a_schema():
    with pytest.raises(ValueError, match=r"needs the columns: schema=\.\.\. Received: schema=None"):
        models.Table(KIND, 2)


@pytest.mark.parametrize("name", ["weight_decay", "gate_decay"])
def test_a_negative_decay_is_refused(data, name):
    with pytest.raises(ValueError, match=rf"{name} must not be negative\. Received: {name}=-1"):
        models.Table(KIND, 2, schema=data[0], **{name: -1.0})


def test_shares_follow_the_examples_and_not_the_labels(data):
    schema, x, y = data
    model = made(schema)
    model.fit(x, y["kind"], batch_size=NUM, labelled_batch_size=4, epochs=3, verbose=0)
    head = model.recognition["y"].head
    np.testing.assert_allclose(head.labelled, [0.5, 0.5], atol=0.35)  # of three batches of four
    np.testing.assert_allclose(np.exp(model.generative["y"].root).sum(), 1, rtol=1e-4)
    shift = np.asarray(model.generative["y"].root) - np.log(head.labelled)
    np.testing.assert_allclose(head.shift, shift, rtol=1e-4, atol=1e-5)


def test_the_bound_counts_more_where_cells_are_missing(data):
    schema = data[0]
    gaps = schema["other"].gaps / 3
    assert made(schema).classification_weight == pytest.approx(1 / (0.03 + gaps))
    complete = Schema(dataclasses.replace(column, gaps=0.0) for column in schema)
    assert made(complete).classification_weight == pytest.approx(1 / 0.03)


def test_given_priors_stay(data):
    schema, x, y = data
    for prior, expected in (("uniform", [0.5, 0.5]), ((0.25, 0.75), [0.25, 0.75])):
        model = made(schema, prior=prior)
        model.fit(x, y["kind"], batch_size=NUM, epochs=1, verbose=0)
        np.testing.assert_allclose(model.generative["y"].root_distribution().probs_parameter(), expected, rtol=1e-5)


def test_labels_are_scored_by_their_own_shares(data):
    """The classification loss is that of the logits without the shift, for known labels only."""
    schema, x, y = data
    model = made(schema, TARGETS)
    head = model.recognition["kind"].head
    head.shift.assign([1.0, -0.5])
    tensors = model.data_format.x_tensors(tf.constant(x))
    labels = model.data_format.y_tensors({k: tf.constant(v) for k, v in y.items()}, tf.shape(x)[0], missing=True)
    terms = model.labelled_terms(tensors, labels, ())
    features = model.recognition["features"].value([tensors["x"]])
    log_kind = tf.nn.log_softmax(head.projection(features))
    size = model.recognition["size_"].head.distribution(features)
    expected = np.where(
        y["kind"] >= 0, -np.take_along_axis(np.asarray(log_kind), np.maximum(y["kind"], 0)[:, None], 1)[:, 0], 0
    )
    known = ~np.isnan(y["size_"][:, 0])
    expected = expected - np.where(known, size.log_prob(np.nan_to_num(y["size_"])), 0)
    np.testing.assert_allclose(terms["classification_loss"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["label_objective"], -expected, rtol=1e-4, atol=1e-5)


def test_rows_weigh_as_twenty_columns_in_training_only(data):
    schema, x, _ = data
    model = made(schema)
    tensors = model.data_format.x_tensors(tf.constant(x))
    terms = model.unlabelled_terms(tensors)
    weight = 2.0  # of three columns
    assert weight == min(20 / len(schema), 2)
    of_columns = np.array([column.weight for column in schema])
    np.testing.assert_allclose(
        terms["bound_unlabelled"], terms["log_px"] - terms["kl_y"] - terms["kl_z"], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(model.kl_weight_in_use, weight)
    scored = model.generative["x"].head.schema
    np.testing.assert_allclose([column.weight for column in scored], weight * of_columns)
    assert scored["size"].distribution == "histogram"
    assert made(schema, histograms=False).generative["x"].head.schema["size"].distribution == "normal"


@pytest.fixture(scope="module")
def trained(data):
    keras.utils.set_random_seed(2)  # a fixture of a module comes before the seed of a test
    schema, x, y = data
    model = models.Table(TARGETS, 2, (8,), schema=schema, seed=1)
    model.compile(keras.optimizers.Adam(3e-2))
    model.fit(x, y, batch_size=20, epochs=60, verbose=0, seed=1)
    return model


def test_it_learns_classes_and_numbers_together(data, trained):
    x = data[1]
    _, kind, size = a_table()
    predicted = trained.predict(x, verbose=0)
    assert (predicted["kind"].argmax(axis=1) != kind).mean() < 0.15
    assert np.abs(predicted["size_"]["mean"][:, 0] - size).mean() < 0.5 * np.abs(size - size.mean()).mean()


def test_a_file_keeps_it(data, trained, tmp_path):
    trained.save(tmp_path / "table.keras")
    loaded = keras.models.load_model(tmp_path / "table.keras")
    x = data[1]
    for name, value in trained.predict(x, verbose=0).items():
        keras.tree.map_structure(np.testing.assert_array_equal, loaded.predict(x, verbose=0)[name], value)
    assert loaded.targets == trained.targets
    head, other = (model.recognition["kind"].head for model in (trained, loaded))
    np.testing.assert_array_equal(head.shift, other.shift)
    assert len(loaded.losses) == len(trained.losses) == 4  # the network, its gates, and a head for each target


def test_it_makes_rows_and_fills_gaps(data, trained):
    schema, x, _ = data
    rows = trained.generate({"kind": [0, 1, 1]}, seed=1, draw=True)
    cells = schema.decode(rows)
    assert set(cells["colour"]) <= {"red", "blue"}
    filled = trained.impute(x, num_samples=5, seed=1)["x"]
    known = ~np.isnan(x)
    np.testing.assert_array_equal(filled[known], x[known])
    assert not np.isnan(filled).any()
