"""The promises of the estimators, on tables of mixed columns in every form; of two steps, which suffice for most."""

import datetime
import decimal
import enum
import io
import pickle
import random
import uuid
import warnings
import zipfile

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ssdgm_tf as ssdgm
from ssdgm_tf.sklearn import SemiSupervisedClassifier, SemiSupervisedRegressor
from tests.sklearn.examples import FORMS, NAMES, cells, columns_of, hidden, table_of

FEW = {"max_iter": 2, "latent_dim": 3, "hidden_units": (8,), "random_state": 1}
LEFT_OUT = "ignore:Column '.*' (is left out|holds dates):UserWarning"
pytestmark = [pytest.mark.filterwarnings(LEFT_OUT), pytest.mark.usefixtures("untraced")]


@pytest.fixture(scope="module", params=FORMS)
def mixed(request, untraced):
    """A fitted classifier, its table, the cells of it, and the classes."""
    given, classes = cells()
    table = table_of(request.param, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SemiSupervisedClassifier(**FEW).fit(table, hidden(classes, 40)), table, given, classes


@pytest.fixture(scope="module")
def numbers(untraced):
    """A table of numbers with gaps, numbers that follow from it, and a regressor of them."""
    r = np.random.default_rng(0)
    x = r.normal(size=(60, 4))
    y = 1000 + 5 * x[:, 0]
    x[::5, 2] = np.nan
    known = np.where(np.arange(60) < 30, y, np.nan)
    return SemiSupervisedRegressor(**FEW).fit(x, known), x, y, known


def test_attributes(mixed):
    model, table, _, _ = mixed
    np.testing.assert_array_equal(model.classes_, ["old", "young"])
    assert model.n_features_in_ == len(NAMES)
    assert model.schema_.names == (NAMES[:5] if hasattr(table, "columns") else ("x0", "x1", "x2", "x3", "x4"))
    assert hasattr(model, "feature_names_in_") == hasattr(table, "columns")
    assert isinstance(model.model_, ssdgm.models.Table) and model.n_iter_ == 2
    assert len(model.loss_curve_) == 1 and np.isfinite(model.loss_curve_).all()


def test_predictions(mixed):
    model, table, _, classes = mixed
    probs = model.predict_proba(table)
    assert probs.shape == (80, 2)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(table), model.classes_[probs.argmax(1)])
    assert model.score(table, classes) == np.mean(model.predict(table) == classes)


def test_rows_without_a_label_do_not_count_in_the_score(mixed):
    model, table, _, classes = mixed
    right = model.predict(table) == classes
    assert model.score(table, hidden(classes, 30)) == right[:30].mean()
    weights = np.arange(80)
    expected = np.average(right[:30], weights=weights[:30])
    np.testing.assert_allclose(model.score(table, hidden(classes, 30), sample_weight=weights), expected)
    with pytest.raises(ValueError, match=r"y must hold a label to score by. Received: 80 rows without one"):
        model.score(table, hidden(classes, 0))


def test_transform_is_the_means_of_z(mixed):
    model, table, _, _ = mixed
    z = model.transform(table)
    assert z.shape == (80, 3) and z.dtype == np.float32 and np.isfinite(z).all()
    x = model.schema_.encode(dict(zip(model.schema_.names, columns_of(table).values(), strict=False)))
    np.testing.assert_allclose(z, model.model_.encode(x)["z"], rtol=1e-4, atol=1e-5)
    assert len(model.get_feature_names_out()) == 3


def test_columns_come_in_any_order(mixed):
    model, table, _, _ = mixed
    if not hasattr(table, "columns"):
        pytest.skip("an array has no names")
    turned = table[list(table.columns)[::-1]]
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(table))
    filled = columns_of(model.impute(turned))
    assert filled == columns_of(model.impute(table))
    with pytest.raises(ValueError, match="missing"):
        model.predict(table[list(table.columns)[1:]])


def test_samples_have_the_form_of_the_table(mixed):
    model, table, given, _ = mixed
    rows = model.sample(50)
    assert type(rows) is type(table) and rows.shape == (50, len(NAMES))
    if hasattr(table, "dtypes"):
        assert list(rows.columns) == list(table.columns) and list(rows.dtypes) == list(table.dtypes)
    made = columns_of(rows)
    for name in NAMES[:4]:
        assert {type(cell) for cell in made[name]} == {type(cell) for cell in given[name] if cell is not None}
    assert set(made["city"]) == {"Bern", "Kyiv", "Lima"} and set(made["smoker"]) == {False, True}
    assert min(made["income"]) > 0
    assert all(time.year in range(1980, 2030) for time in made["born"])
    assert set(made["one"]) == {"the same"} and set(made["id"]) == {None}


class Grade(enum.Enum):
    A = 1
    B = 2
    C = 3


def test_cells_that_are_objects_come_back_as_such():
    """What the model takes for text: intervals, members of enumerations, identifiers, times of day."""
    pandas = pytest.importorskip("pandas")
    size, r = 60, np.random.default_rng(0)
    words = [uuid.UUID(int=3), uuid.UUID(int=7)]
    whole = pandas.DataFrame(
        {
            "bin": pandas.cut(r.normal(size=size), 4),
            "grade": [list(Grade)[row % 3] for row in range(size)],
            "uuid": [words[row % 2] for row in range(size)],
            "time": [datetime.time(row % 5, 30) for row in range(size)],
            "zone": pandas.date_range("2024-01-01", periods=size, freq="7h", tz="Europe/Kyiv"),
            "count": pandas.array(r.integers(0, 40, size), dtype="Int64"),
            "price": [decimal.Decimal(int(cents)) / 4 for cents in r.integers(20, 90, size)],
            "work": pandas.Categorical([[" Private", " Gov"][row % 2] for row in range(size)]),
            "one": [Grade.A] * size,
        }
    )
    table = whole.copy()
    for name in table:
        table.loc[3:6, name] = None
    with pytest.warns(UserWarning, match="'time' seems to hold times of day"):
        model = SemiSupervisedClassifier(**FEW).fit(table, [0, 1] * 30)
    for made in (model.impute(table), model.sample(60)):
        assert list(made.dtypes) == list(table.dtypes) and not made.isna().any().any()
        for name in ("bin", "grade", "uuid", "time", "one", "work"):
            assert set(made[name]) <= set(whole[name]), name
        assert all(isinstance(cell, decimal.Decimal) for cell in made["price"])
    with pytest.warns(UserWarning, match="seems"):
        named = SemiSupervisedClassifier(**FEW).fit(whole, [" a", "b"] * 30)
    assert set(named.predict(whole)) <= {" a", "b"}


def test_samples_are_drawn_by_the_random_state_and_for_labels(mixed):
    model = mixed[0]
    assert columns_of(model.sample(5)) == columns_of(model.sample(5))
    assert columns_of(model.sample(5, random_state=2)) != columns_of(model.sample(5, random_state=3))
    assert model.sample().shape[0] == 1 and model.sample(3, y="old").shape[0] == 3
    assert model.sample(y=["old", "young"]).shape[0] == 2
    for labels, message in (
        (["old", "mid"], "Labels must be among the classes 'old', 'young'. Received: 'mid'"),
        (["old", None], "y must hold a class for each row. Received: none at index 1"),
    ):
        with pytest.raises(ValueError, match=message):
            model.sample(y=labels)
    with pytest.raises(ValueError, match=r"n_samples must be the number of labels, 2. Received: n_samples=3"):
        model.sample(3, y=["old", "young"])


def test_only_gaps_are_filled(mixed):
    model, table, _, classes = mixed
    before = columns_of(table)
    filled = [model.impute(table), model.impute(table, hidden(classes, 9)), *model.impute(table, num_draws=2)]
    assert columns_of(table) == before
    for one in filled:
        assert type(one) is type(table)
        if hasattr(table, "dtypes"):
            assert list(one.columns) == list(table.columns) and list(one.dtypes) == list(table.dtypes)
        after = columns_of(one)
        for name in NAMES:
            assert None not in after[name]
            assert all(new == old for new, old in zip(after[name], before[name], strict=True) if old is not None)
    assert columns_of(filled[2]) != columns_of(filled[3])
    assert {type(cell) for cell in columns_of(filled[0])["income"]} == {float}


def test_a_table_without_gaps_is_copied(mixed):
    model, table, _, _ = mixed
    whole = model.impute(table)
    assert columns_of(model.impute(whole)) == columns_of(whole) and model.impute(whole) is not whole
    draws = model.impute(whole, num_draws=2)
    assert len(draws) == 2 and all(columns_of(one) == columns_of(whole) for one in draws)


def test_pickles(mixed):
    model, table, _, _ = mixed
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(table), model.predict_proba(table))
    np.testing.assert_array_equal(again.transform(table), model.transform(table))
    assert columns_of(again.sample(4)) == columns_of(model.sample(4))
    assert again.get_params() == model.get_params() and again.loss_curve_ == model.loss_curve_


def test_a_pickle_holds_the_bytes_of_a_keras_file_which_runs_no_code(mixed, tmp_path):
    state = mixed[0].__getstate__()
    assert zipfile.ZipFile(io.BytesIO(state["model_"])).testzip() is None
    inputs = keras.Input((2,))
    harmful = keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    harmful.save(tmp_path / "harmful.keras")
    state["model_"] = (tmp_path / "harmful.keras").read_bytes()
    with pytest.raises(Exception, match=r"[Ll]ambda"):
        SemiSupervisedClassifier().__setstate__(state)


def test_what_training_lacked_is_a_gap_with_a_warning(mixed):
    model, _, given, _ = mixed
    form = "objects" if not hasattr(model, "feature_names_in_") else type(mixed[1]).__module__.split(".")[0]
    one = {name: column[:1] for name, column in given.items()}
    strange = table_of(form, one | {"city": ["Rome"], "income": [-5.0]})
    with pytest.warns(UserWarning) as caught:
        probs = model.predict_proba(strange)
    said = " ".join(str(warning.message) for warning in caught)
    assert "of kind positive: 1 cells, such as -5.0 in row 0" in said and "'Rome'" in said
    np.testing.assert_array_equal(probs, model.predict_proba(table_of(form, one | {"city": [None], "income": [None]})))
    with pytest.warns(UserWarning):
        assert columns_of(model.impute(strange))["city"] == ["Rome"]


def test_columns_that_are_left_out_are_named():
    given, classes = cells()
    with pytest.warns(UserWarning, match="'x5' is left out.*'x6' is left out"):
        SemiSupervisedClassifier(**FEW).fit(table_of("objects", given), classes)


def test_a_schema_names_the_columns_of_an_array():
    given, classes = cells()
    schema, _ = ssdgm.schema.infer({name: given[name] for name in ("age", "city")})
    table = table_of("objects", {"age": given["age"], "city": given["city"]})
    for stated in (schema, schema.to_json()):
        model = clone(SemiSupervisedClassifier(schema=stated, **FEW)).fit(table, classes)
        assert model.schema_ == schema
    with pytest.raises(ValueError, match=r"schema must have a column for each of X, 3\. Received: one of 2 columns"):
        SemiSupervisedClassifier(schema=schema, **FEW).fit(np.eye(6)[:, :3], [0, 1] * 3)


def test_a_schema_names_some_columns_of_a_frame():
    pandas = pytest.importorskip("pandas")
    given, classes = cells()
    schema, _ = ssdgm.schema.infer({"age": given["age"]})
    model = SemiSupervisedClassifier(schema=schema, **FEW).fit(table_of("pandas", given), classes)
    assert model.schema_ == schema and model.n_features_in_ == len(NAMES)
    with pytest.raises(ValueError, match=r"schema must be of columns of X\. Received: the column 'age', which X lacks"):
        SemiSupervisedClassifier(schema=schema, **FEW).fit(pandas.DataFrame({"city": given["city"]}), classes)


def test_the_random_state_makes_a_fit_and_leaves_those_of_others(numbers):
    model, x, _, known = numbers
    before = random.getstate(), np.random.get_state()[1].copy()
    again, other = (SemiSupervisedRegressor(**FEW | {"random_state": seed}).fit(x, known) for seed in (1, 2))
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    np.testing.assert_array_equal(again.sample(3), model.sample(3))
    assert not np.allclose(other.predict(x), model.predict(x), atol=1e-6)
    np.random.seed(5)
    of_global = [SemiSupervisedRegressor(**FEW | {"random_state": None}).fit(x, known) for _ in range(2)]
    assert not np.allclose(of_global[0].predict(x), of_global[1].predict(x), atol=1e-6)


def test_a_regressor(numbers):
    model, x, y, known = numbers
    predicted = model.predict(x)
    assert predicted.shape == (60,) and predicted.dtype == np.float64
    encoded = model.model_.encode(model.schema_.encode(dict(zip(model.schema_.names, x.T, strict=True))))["y"][:, 0]
    np.testing.assert_allclose(predicted, encoded * known[:30].std() + known[:30].mean(), rtol=1e-5)
    residual, total = np.square(predicted - y)[:30].sum(), np.square(y - y[:30].mean())[:30].sum()
    np.testing.assert_allclose(model.score(x, known), 1 - residual / total)
    assert model.sample(4, y=1003.0).shape == (4, 4) and model.sample(4).dtype == x.dtype
    filled = model.impute(x)
    np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    assert not np.isnan(filled).any()
    assert model.impute(x, known, num_draws=3)[2].shape == x.shape


def test_minus_one_is_no_class_and_a_number():
    x = np.random.default_rng(0).normal(size=(12, 2))
    assert SemiSupervisedClassifier(**FEW).fit(x, [0, 1, -1] * 4).classes_.tolist() == [0, 1]
    model = SemiSupervisedRegressor(**FEW).fit(x, [0, 1, -1] * 4)
    assert model.model_.targets.schema["y"].extent == (-1, 1)


@pytest.fixture(scope="module")
def some_labels(numbers):
    return np.where(np.arange(60) < 40, (numbers[2] > 1000).astype(int), -1)


ONE = FEW | {"max_iter": 1}


def test_in_pipelines(numbers, some_labels):
    x = numbers[1]
    pipeline = make_pipeline(StandardScaler(), SemiSupervisedClassifier(**ONE)).fit(x, some_labels)
    assert pipeline.score(x, some_labels) == np.mean(pipeline.predict(x)[:40] == some_labels[:40])
    features = make_pipeline(SemiSupervisedClassifier(**ONE), StandardScaler()).fit_transform(x, some_labels)
    np.testing.assert_allclose(features.std(0), [1, 1, 1], rtol=1e-4)


def test_in_cross_validation(numbers, some_labels):
    _, x, _, known = numbers
    assert np.isfinite(cross_val_score(SemiSupervisedClassifier(**ONE), x, some_labels, cv=2)).all()
    folds = KFold(2, shuffle=True, random_state=0)
    assert np.isfinite(cross_val_score(SemiSupervisedRegressor(**ONE), x, known, cv=folds)).all()


def test_in_cross_validation_of_text_without_labels_by_given_folds(numbers, some_labels):
    names = np.array(["low", "high", None], object)[some_labels]
    folds = KFold(2, shuffle=True, random_state=0)
    assert np.isfinite(cross_val_score(SemiSupervisedClassifier(**ONE), numbers[1], names, cv=folds)).all()


def test_in_a_search(numbers, some_labels):
    search = GridSearchCV(SemiSupervisedClassifier(**ONE), {"latent_dim": [2]}, cv=2).fit(numbers[1], some_labels)
    assert np.isfinite(search.best_score_) and search.best_estimator_.transform(numbers[1]).shape == (60, 2)


def test_clones_are_equal_and_not_fitted(numbers):
    model, x, _, _ = numbers
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    for method in ("predict", "transform", "impute", "score"):
        with pytest.raises(NotFittedError):
            getattr(copy, method)(*(x, x[:, 0]) if method == "score" else (x,))
    with pytest.raises(NotFittedError):
        copy.sample()


def test_every_label_may_be_known(numbers):
    _, x, y, _ = numbers
    assert SemiSupervisedRegressor(**FEW).fit(x, y).predict(x).shape == (60,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1. Received: max_iter=0"),
        ({"latent_dim": None}, "latent_dim must be a whole number of at least 1. Received: latent_dim=None"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1. Received: batch_size=2.5"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be a whole number of at least 1"),
        ({"hidden_units": 8}, "hidden_units must be a tuple of widths. Received: hidden_units=8"),
        ({"hidden_units": (8, 0)}, "hidden_units must be a whole number of at least 1. Received: hidden_units=0"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0. Received: learning_rate=0"),
        ({"schema": 3}, "schema must be a Schema, or its JSON. Received: schema=3"),
    ],
)
def test_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        SemiSupervisedClassifier(**arguments).fit(np.random.default_rng(0).normal(size=(8, 2)), [0, 1] * 4)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 0, -1, -1], r"y must hold labels of two classes or more.*Received: labels of 1 class, \[0\]"),
        ([-1, -1, -1, -1], r"y must hold labels of two classes or more.*Received: labels of 0 class, \[\]"),
        (["a", "b", "-1", "a"], "-1 as text is a class to scikit-learn.*Received: '-1' at index 2"),
        (np.array(["a", 1, None, "b"], object), "Labels must be all text or all numbers. Received: 'a' and 1"),
        ([0.5, 1.5, 2.0, np.nan], "Unknown label type: continuous"),
        ([0, 1, 0], r"y must hold a label or a gap for each row of X, \[4\]. Received: y of shape \(3,\)"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_labels_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        SemiSupervisedClassifier().fit(np.random.default_rng(0).normal(size=(4, 2)), y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.inf, 2, 3], "y must be finite. Received: an infinite number at index 1"),
        (["1", "2", "3", "4"], "y must hold numbers. Received: '1' at index 0"),
        ([np.nan] * 4, "A target must take two values or more. Received: 'y' with none"),
    ],
)
def test_numbers_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        SemiSupervisedRegressor().fit(np.random.default_rng(0).normal(size=(4, 2)), y)
