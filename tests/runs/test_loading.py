"""Which values the examples of a run have: the config's preprocessing and likelihood, and the data."""

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import baseline_digits, m1_digits, m2_digits
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import building, plan
from ssdgm_tf.runs.loading import class_names, load_data
from ssdgm_tf.runs.workdir import Workdir


@pytest.fixture
def vectors(tmp_path):
    """A function that writes scikit-learn's digits as vectors with values from 0 to `highest`, and names the file."""

    def write(highest=1.0):
        digits = data.load_digits(30, 0)
        x, x_test = (np.float64(highest) * part.reshape(-1, 64) for part in (digits.x_train, digits.x_test))
        y = data.load_digits(0, 0).y_train
        np.savez(tmp_path / "vectors.npz", x_train=x, y_train=y, x_test=x_test, y_test=digits.y_test)
        return f"npz:{tmp_path / 'vectors.npz'}"

    return write


def config(preset=m2_digits, **fields):
    return preset.get_config().to_dict() | fields


def test_vectors_of_any_scale_are_the_same_data(vectors, capsys):
    loaded = [load_data(config(data=vectors(highest)), None, False) for highest in (1.0, 16.0, 255.0)]
    for dataset in loaded[1:]:
        np.testing.assert_allclose(dataset.x_train, loaded[0].x_train, atol=1e-5)
        np.testing.assert_allclose(dataset.x_test, loaded[0].x_test, atol=1e-5)
        np.testing.assert_array_equal(dataset.y_train, loaded[0].y_train)
    assert capsys.readouterr().out.count("Vectors standardised: 64 columns, 3 of them constant\n") == 3


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized_logistic"])
def test_a_likelihood_of_the_unit_interval_keeps_vectors_that_lie_there(likelihood, vectors, capsys):
    dataset = load_data(config(data=vectors(), likelihood=likelihood), None, False)
    assert dataset.preprocessing is None and dataset.x_train.min() == 0 and dataset.x_train.max() == 1
    said = f"Vectors kept as they are, in [0, 1]: config.likelihood={likelihood} takes no others.\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("fields", "highest", "message"),
    [
        ({"likelihood": "bernoulli"}, 16, r"takes values in \[0, 1\]; .*=normal .* Received: .* from 0 to 16$"),
        ({"likelihood": "bernoulli"}, -1, r"Received: vectors with values from -1 to 0$"),
        ({"preprocessing": "svd"}, 1, "preprocessing must be"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(fields, highest, message, vectors):
    with pytest.raises(UserError, match=message):
        load_data(config(data=vectors(highest), **fields), None, False)


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_images_are_left_as_they_are(likelihood, capsys):
    dataset = load_data(config(likelihood=likelihood), None, False)
    assert dataset.preprocessing is None and capsys.readouterr().out == ""


@pytest.mark.parametrize("spec", ["standardize", "pca:5"])
def test_a_map_to_real_numbers_needs_their_likelihood(spec, vectors):
    fields = config(data=vectors(), preprocessing=spec, likelihood="bernoulli")
    with pytest.raises(UserError, match=r"ed are real numbers: they need config.likelihood=normal. Received: .*'bernoulli'"):
        building.model({"config": fields, "precision": "float32"}, load_data(fields, None, False))


@pytest.mark.parametrize(
    ("m1", "likelihood", "standardised"), [("", "", True), ("m1_digits", "normal", True), ("m1_digits", "bernoulli", False)]
)
def test_a_baseline_takes_any_numbers_or_those_of_its_features(m1, likelihood, standardised, vectors, tmp_path):
    fields = config(baseline_digits, data=vectors(), m1=m1, model="nearest_neighbours")
    of_part = config(m1_digits, data=fields["data"], likelihood=likelihood or "normal")
    part = Workdir(tmp_path / "m1")
    part.claim({"config": of_part, "precision": "float32", "jit_compile": "auto"})
    part.results.write_text("{}")
    job = plan.make({"config": fields}, Workdir(tmp_path / "run"), str(part.path) if m1 else None)[-1]
    assert (load_data(job.data_config, None, False).preprocessing is not None) == standardised


@pytest.mark.parametrize(
    ("own", "of_part", "fits"),
    [("auto", "auto", True), ("auto", "none", True), ("none", "auto", True), ("zca", "none", False), ("auto", "zca", False)],
)
def test_parts_of_images_may_be_from_before_the_default(own, of_part, fits, tmp_path):
    """ "auto" and "none" do the same to them."""
    part = Workdir(tmp_path / "m1")
    part.claim({"config": config(m1_digits, preprocessing=of_part), "precision": "float32", "jit_compile": "auto"})
    part.results.write_text("{}")
    asked = {"config": config(baseline_digits, m1="m1_digits", preprocessing=own)}
    if fits:
        assert len(plan.make(asked, Workdir(tmp_path / "run"), str(part.path))) == 2
    else:
        with pytest.raises(UserError, match=r"config\.preprocessing="):
            plan.make(asked, Workdir(tmp_path / "run"), str(part.path))


def test_classes_have_the_names_of_the_data_or_their_numbers(digits):
    assert class_names(digits) == {"y": [str(k) for k in range(10)]}
    assert class_names(digits._replace(class_names=tuple("abcdefghij"))) == {"y": list("abcdefghij")}
    lamps = np.full((len(digits.y_train), 3), np.nan, np.float32)
    several = digits._replace(
        y_train={"identity": np.minimum(digits.y_train, 3), "lamp": lamps},
        y_test={"identity": digits.y_test % 5, "lamp": lamps},
    )
    assert class_names(several) == {"identity": ["0", "1", "2", "3", "4"]}
