import io
import json
import shutil

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.app import places, reader
from ssdgm_tf.app.session import Session
from ssdgm_tf.app.views import view
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import RULES
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.workdir import Workdir
from tests.app.conftest import run_on_table, trained


def test_the_map_has_every_example_once_and_tells_what_the_model_says(unchanged):
    found, summary = unchanged.map(), unchanged.summary()
    assert found["index"] == list(range(1297))
    assert summary["variables"] == ["y"]
    assert list(found["maps"]) == summary["maps"] == ["y and style", "y, PCA", "z, PCA"]
    for flat in found["maps"].values():
        assert np.shape(flat) == (2, 1297)
        assert np.abs(flat).max() == pytest.approx(1)
    q = unchanged.learned.model.predict(unchanged.dataset.x_train, verbose=0)
    of = found["of"]["y"]
    assert of["prediction"] == q.argmax(axis=1).tolist()
    np.testing.assert_allclose(of["entropy"], -np.sum(q * np.log(np.maximum(q, 1e-30)), axis=1), atol=1e-3)
    np.testing.assert_array_equal(of["label"], unchanged.dataset.y_train)
    assert json.dumps([found, summary])


def test_classes_lie_on_a_circle_and_doubt_between_them():
    q = np.concatenate([np.eye(4), [[0.5, 0.5, 0, 0]]]).astype(np.float32)
    still = places.maps({"y": q, "z": np.zeros((5, 3), np.float32)}, {"y": q})["y and style"]
    np.testing.assert_allclose(still, [[0, 1], [1, 0], [0, -1], [-1, 0], [0.5, 0.5]], atol=1e-6)


def test_distances_are_of_scaled_variables():
    generator = np.random.default_rng(0)
    means = {"y": generator.random((50, 3)), "z": generator.normal(size=(50, 2, 2)) * 100}
    one = {name: values[:1] + 1 for name, values in means.items()}
    scaled = places.beside({name: np.concatenate([means[name], one[name]]) for name in means})
    found = places.distances(means, range(50), one, {"y": 4.0, "z": 1.0})
    expected = np.zeros(50)
    for name, weight in (("y", 4.0), ("z", 1.0)):
        flat = means[name].reshape(50, -1)
        expected += weight * np.sum((flat - flat[0] - 1) ** 2, axis=1) / np.sum(flat.var(axis=0))
    np.testing.assert_allclose(found, expected)
    some = places.distances(means, [7, 3], one, {"y": 4.0, "z": 1.0})
    np.testing.assert_allclose(some, expected[[7, 3]])
    near, far = np.argsort(found)[[0, -1]]
    assert np.linalg.norm(scaled[near] - scaled[-1]) < np.linalg.norm(scaled[far] - scaled[-1])


def test_examples_are_found_by_number_and_by_name(unchanged, monkeypatch):
    assert unchanged.find(" 17 ") == {"number": 1, "found": [{"index": 17, "id": ""}]}
    for text in ("1297", "cat", "", "-1", "²", "017"):
        with pytest.raises(ValueError, match=r"found by its number 0..1296. Received: "):
            unchanged.find(text)
    ids = tuple(f"{'Cat' if index % 2 else 'dog'}/{9000 + index}.png" for index in range(1297))
    monkeypatch.setattr(unchanged, "dataset", unchanged.dataset._replace(ids=ids))
    assert unchanged.find("9017") == {"number": 1, "found": [{"index": 17, "id": "Cat/9017.png"}]}
    found = unchanged.find("cat/")
    assert found["number"] == 648
    assert [one["index"] for one in found["found"]] == list(range(1, 81, 2))
    assert unchanged.example(17)["id"] == "Cat/9017.png"
    (first,) = unchanged.next("random", 1, [])
    assert first["id"] == ids[first["index"]]
    lines = tuple(f"line {index}" for index in range(1297))[::-1]  # many names hold "line 1", and the last one is it
    monkeypatch.setattr(unchanged, "dataset", unchanged.dataset._replace(ids=lines))
    assert unchanged.find("LINE 1")["found"][0] == {"index": 1295, "id": "line 1"}
    assert [one["id"] for one in unchanged.find("296")["found"]] == ["line 1000"]  # a number is a number first
    assert [one["id"] for one in unchanged.find("e 296")["found"]] == ["line 296"]
    with pytest.raises(ValueError, match=r"found by its number 0..1296, or a part of the name of one. Received: 'bird'"):
        unchanged.find("bird")


@pytest.mark.parametrize("rule", RULES)
def test_the_next_examples_have_no_label_and_are_not_on_the_page(rule, unchanged):
    first = unchanged.next(rule, 4, [])
    second = unchanged.next(rule, 4, [one["index"] for one in first])
    indices = [one["index"] for one in first + second]
    assert len(set(indices)) == 8
    assert (unchanged.dataset.y_train[indices] == -1).all()


def test_labels_are_kept_with_the_run(session, folder):
    done = session.act({"event": "label", "index": 5, "variable": "y", "value": 3})
    assert done["progress"]["given"] == 1
    session.act({"event": "none", "index": 6, "variable": "y"})
    session.act({"event": "skip", "index": 7, "variable": "y"})
    again = Session(folder, None, False)
    assert [again.given.label_of("y", index) for index in (5, 6, 7)] == [3, -2, -1]
    left = {one["index"] for one in again.next("random", 1300, [])}
    assert left == set(np.flatnonzero(session.dataset.y_train < 0).tolist()) - {5, 6, 7}
    assert again.act({"event": "undo"})["undone"]["event"] == "skip"
    assert 7 in {one["index"] for one in again.next("random", 1300, [])}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "Labels are of y. Received: None of None"),
        ({"event": "undo"}, "something to undo"),
        ({"event": "label", "index": 5, "variable": "z", "value": 1}, "Labels are of y"),
        ({"event": "label", "index": 1297, "variable": "y", "value": 1}, "one of 1297 examples. Received: 1297"),
        ({"event": "label", "index": "5", "variable": "y", "value": 1}, "Received: '5'"),
        ({"event": "label", "index": 5, "variable": "y", "value": 10}, "one of 10 classes, 0..9. Received: 10"),
        ({"event": "label", "index": 5, "variable": "y", "value": True}, "Received: True"),
        ({"event": "class", "variable": "y", "name": ""}, "1 to 100 printable characters"),
        ({"event": "class", "variable": "y", "name": "x" * 10_000}, "Received: 10000"),
        ({"event": "class", "variable": "y", "name": "a\x00b"}, "1 to 100 printable characters"),
        ({"event": "class", "variable": "y", "name": " 3 "}, "a new name. Received: '3'"),
    ],
)
def test_refuses_what_cannot_be_a_label(event, message, unchanged):
    with pytest.raises(ValueError) as error:
        unchanged.act(event)
    assert message in str(error.value)
    assert not unchanged.folder.labels.exists()


def test_a_new_class_can_be_given_at_once(session):
    session.act({"event": "class", "variable": "y", "name": "<script>alert(1)</script>"})
    done = session.act({"event": "label", "index": 5, "variable": "y", "value": 10})
    assert done["class_names"]["y"][10] == "<script>alert(1)</script>"
    assert session.map()["of"]["y"]["label"][5] == 10


def test_the_maker_takes_the_style_of_an_example(unchanged):
    model, x = unchanged.learned.model, unchanged.dataset.x_train[:1]
    positions = unchanged.learned.maker.positions(model.encode(x))
    made = unchanged.learned.maker.make(positions)
    # Between the two are the quantiles of 2,000 draws.
    np.testing.assert_allclose(made, model.reconstruct(x), atol=0.05)
    each = unchanged.learned.maker.make(positions, vary="y")
    assert each.shape == (10, 8, 8, 1)
    np.testing.assert_allclose(each, model.analogies(x)[0], atol=0.05)


@pytest.mark.parametrize("positions", [{"y": 10}, {"y": -1}, {"z": [0.5]}, {"z": [float("nan")] * 5}])
def test_the_maker_refuses_other_positions(positions, unchanged):
    with pytest.raises(ValueError, match="must"):
        unchanged.learned.maker.make(positions)


def test_reads_what_is_known_of_an_example(unchanged):
    found = unchanged.example(4)
    q = unchanged.learned.model.predict(unchanged.dataset.x_train[4:5], verbose=0)[0]
    np.testing.assert_allclose(found["of"]["y"]["probabilities"], q, atol=1e-4)
    assert 0 <= found["p_value"] <= 1
    assert len(found["neighbours"]) == 6
    assert all(unchanged.dataset.y_train[one["index"]] == one["label"] for one in found["neighbours"])
    assert len(unchanged.analogies(unchanged.dataset.x_train[4:5])["views"]) == 10
    with pytest.raises(ValueError, match=r"one of 0..1296. Received: 1297"):
        unchanged.example(1297)


def png_of(array):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def npy_of(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_files_are_read_as_in_training(unchanged):
    x = np.asarray(unchanged.dataset.x_train[3])
    levels = np.round(x * 255).astype(np.uint8)
    found = reader.from_file(unchanged, "x.npy", npy_of(x[None]))
    np.testing.assert_allclose(found[0], x, atol=1e-6)
    picture = reader.from_file(unchanged, "../../x.PNG", png_of(levels[..., 0]))
    np.testing.assert_allclose(picture[0], levels / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.png", b"", "must be whole"),
        ("x.png", b"\x89PNG\r\n\x1a\n broken", "must be whole"),
        ("x.png", png_of(np.zeros((9, 8), np.uint8)), "shape"),
        ("x.npy", npy_of(np.zeros((1, 9, 8), np.float32)), "Received"),
        ("x.npy", npy_of(np.full((1, 8, 8), np.nan, np.float32)), "finite"),
        ("x.npy", b"no array", "Received"),
        ("x.exe", b"MZ", "hold images"),
        ("", b"", "must be whole"),
        ("<b>.png", b"x", "must be whole"),
    ],
    ids=["empty", "broken", "size", "shape", "nan", "no array", "program", "no name", "markup"],
)
def test_refuses_other_files_without_naming_a_folder(name, content, message, unchanged):
    with pytest.raises(ValueError, match=message) as error:
        reader.from_file(unchanged, name, content)
    assert "/tmp" not in str(error.value)


def test_views_are_of_images_lines_and_rows(digits):
    assert view(digits, digits.x_train[0])["src"].startswith("data:image/png;base64,")
    series = digits._replace(x_train=np.zeros((3, 5, 2), np.float32))
    assert view(series, np.array([[1, 2], [np.nan, 3]], np.float32)) == {"kind": "line", "values": [[1.0, None], [2.0, 3.0]]}


def test_refuses_labels_of_another_run(session, folder, tmp_path):
    session.act({"event": "label", "index": 5, "variable": "y", "value": 3})
    other = trained(tmp_path / "other", seed=1)  # the seed draws the split
    shutil.copy(folder.labels, other.labels)
    with pytest.raises(UserError, match="Labels belong to the training examples that they were given to"):
        Session(other, None, False)


def test_refuses_a_run_without_a_model_that_infers_a_class(tmp_path):
    with pytest.raises(UserError, match=r"once it has a checkpoint. Received: .*, without model.keras"):
        folder = Workdir(tmp_path / "begun")
        folder.claim({"config": data_config(), "precision": "float32", "jit_compile": "auto"})
        Session(folder, None, False)
    vae = trained(tmp_path / "vae", model="vae", gamma=None, classification_weight=None)
    with pytest.raises(UserError, match=r"models that infer a class. Received: .*, of a VAE"):
        Session(vae, None, False)


def data_config():
    from tests.app.conftest import settings

    return settings()["config"]


def test_a_table_shows_cells_fills_gaps_and_says_what_columns_add(tmp_path):
    session = Session(run_on_table(tmp_path, "label"), None, False)
    assert session.summary()["is_table"]
    lines = (tmp_path / "table.csv").read_text().splitlines()
    found = session.example(0)
    number = int(found["id"].removeprefix("line "))
    assert lines[number - 1].split(",")[1] == dict(found["view"]["cells"])["colour"]
    cells = dict(found["view"]["cells"])
    assert list(cells) == ["size", "colour"]
    found = reader.read_row(session, reader.from_cells(session, {"size": "", "colour": "g"}))
    assert [(name, is_gap) for name, _, is_gap in found["filled"]] == [("size", True), ("colour", False)]
    assert float(found["filled"][0][1]) == pytest.approx(0, abs=3)
    assert [name for name, _ in found["of"]["y"]["adds"]] == ["colour"]
    with pytest.raises(ValueError, match=r"The columns are size, colour. Received: weight"):
        reader.from_cells(session, {"weight": "3"})
    with pytest.raises(ValueError):
        reader.from_cells(session, {"size": "heavy"})
    uploaded = reader.from_file(session, "new.csv", b"colour,size\nr,0.5\n")
    np.testing.assert_allclose(uploaded, reader.from_cells(session, {"size": "0.5", "colour": "r"}))
    session.act({"event": "label", "index": 1, "variable": "y", "value": 0})
    with pytest.raises(ValueError, match=r"New classes are for models of images, .* Received: a run of Table on rows"):
        session.act({"event": "class", "variable": "y", "name": "perhaps"})
    assert session.next("entropy", 2, [])[0]["view"]["kind"] == "row"


def test_several_variables_are_labelled_one_by_one_and_put_off_together(tmp_path):
    session = Session(run_on_table(tmp_path, "label,kind"), None, False)
    assert session.variables() == ["label", "kind"]
    assert session.given.class_names() == {"label": ["no", "yes"], "kind": ["new", "old"]}
    first, second = (one["index"] for one in session.next("entropy", 2, []))
    session.act({"event": "label", "index": first, "variable": "label", "value": 1})
    (again,) = (one for one in session.next("random", 100, []) if one["index"] == first)
    assert again["labels"] == {"label": 1, "kind": -1}
    session.act({"event": "label", "index": first, "variable": "kind", "value": 0})
    session.act({"event": "skip", "index": second, "variable": "kind"})
    assert not {first, second} & {one["index"] for one in session.next("random", 100, [])}
    found = load_data(session.settings["config"], None, False, session.folder, session.given.file)
    assert (found.y_train["label"][first], found.y_train["kind"][first]) == (1, 0)


def test_the_data_set_of_the_page_is_that_of_training(unchanged):
    loaded = data.load("digits", 30, 0)
    np.testing.assert_array_equal(unchanged.dataset.x_train, loaded.x_train)
    np.testing.assert_array_equal(unchanged.dataset.y_train, loaded.y_train)
