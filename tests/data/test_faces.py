"""Faces from a file: directions, the split, which labels are shown, and what is refused."""

import numpy as np
import pytest

from ssdgm_tf import data

SIZE, PEOPLE = 60, 4


def write(path, **changed):
    generator = np.random.default_rng(0)
    arrays = {
        "x": generator.integers(256, size=(SIZE, 6, 5, 1), dtype=np.uint8),
        "y": np.arange(SIZE) % PEOPLE,
        "azimuth_deg": generator.uniform(-130, 130, SIZE).astype(np.float32),
        "elevation_deg": generator.uniform(-40, 90, SIZE).astype(np.float32),
    }
    np.savez(path, **{name: value for name, value in (arrays | changed).items() if value is not None})
    return str(path)


def test_directions():
    expected = [[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, np.sqrt(0.5), np.sqrt(0.5)]]
    made = data.directions(np.array([0, 90, -90, 33, 0, 0]), np.array([0, 0, 0, 90, -90, 45]))
    np.testing.assert_allclose(made, expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"azimuth must lie in -180..180 degrees. Received: 181"):
        data.directions(np.array([0, 181]), np.array([0, 0]))
    with pytest.raises(ValueError, match=r"elevation must lie in -90..90 degrees. Received: nan"):
        data.directions(np.array([0.0, 1.0]), np.array([0, np.nan]))
    with pytest.raises(ValueError, match=r"must have one shape, \[N\]. Received: elevation \[1\]"):
        data.directions(np.array([0.0, 1.0]), np.array([0.0]))


def test_a_third_of_the_labels(tmp_path):
    made = data.load(f"faces:{write(tmp_path / 'faces.npz')}", 16, seed=3, num_validation=6)
    assert made.raw_dtype == "uint8"
    assert (len(made.x_train), len(made.x_validation), len(made.x_test), made.num_classes) == (42, 6, 12, PEOPLE)
    shown = made.y_train["identity"] >= 0
    np.testing.assert_array_equal(np.bincount(made.y_train["identity"][shown]), [4] * PEOPLE)
    np.testing.assert_array_equal(shown, ~np.isnan(made.y_train["lighting"]).any(axis=1))
    np.testing.assert_array_equal(made.is_labelled, shown)
    for y in (made.y_test, made.y_validation):
        np.testing.assert_allclose(np.linalg.norm(y["lighting"], axis=1), 1, rtol=1e-5)
    x, y = made.labelled
    assert len(x) == len(y["identity"]) == len(y["lighting"]) == 16
    assert set(made.only(("lighting",)).y_train) == {"lighting"}
    twice = made.with_labelled_twice()
    (x, y), (x_twice, y_twice) = made.labelled, twice.labelled
    np.testing.assert_array_equal(x_twice, x)
    np.testing.assert_array_equal(y_twice["lighting"], y["lighting"])
    assert len(twice.x_train) == len(made.x_train) + len(x)
    np.testing.assert_array_equal(twice.x_train[-len(x) :], x)
    assert np.all(twice.y_train["identity"][-len(x) :] == -1) and np.all(np.isnan(twice.y_train["lighting"][-len(x) :]))
    with pytest.raises(ValueError, match=r"The variables with labels are identity, lighting. Received: pose"):
        made.only(("identity", "pose"))


def test_the_seed_draws_the_split(tmp_path):
    path = write(tmp_path / "faces.npz")
    first, again, other = (data.load_faces(path, 0, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)
    assert first.is_labelled.all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"azimuth_deg": None}, "must hold the arrays x, y, azimuth_deg, elevation_deg"),
        ({"elevation_deg": np.full(SIZE, 91.0)}, "elevation must lie in -90..90 degrees. Received: 91"),
        (
            {"azimuth_deg": np.zeros(3), "elevation_deg": np.zeros(3)},
            "Every image must have a lamp. Received: 60 images, 3",
        ),
        ({"y": np.full(SIZE, 2)}, "none of class 0"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        data.load_faces(write(tmp_path / "faces.npz", **changed), 0, 0)
    with pytest.raises(FileNotFoundError, match="faces:FILE must name a file"):
        data.require(f"faces:{tmp_path / 'none.npz'}")
