import json

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.workdir import Served, Workdir

SETTINGS = {"config": {"model": "m2", "epochs": 3, "hidden_units": (5,), "weight": None}, "precision": "float32"}


def test_claims_an_empty_folder_and_again_with_the_same_settings(tmp_path):
    folder = Workdir(tmp_path / "run")
    folder.claim(SETTINGS)
    folder.claim(SETTINGS)
    assert folder.load_config()["config"]["hidden_units"] == [5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {**SETTINGS["config"], "epochs": 2}}, r"may grow, .* Received: config.epochs = 2, where .* has 3"),
        ({"precision": "bfloat16"}, r"Received: precision = 'bfloat16', where .* has 'float32'"),
        ({"config": {**SETTINGS["config"], "epochs": 4, "weight": 1.0}}, r"config.epochs = 4 \(and config.weight\)"),
        ({"config": {**SETTINGS["config"], "new": 4}}, r"config.new = 4, where .* has None"),
    ],
)
def test_refuses_another_config_by_the_name_of_its_field(change, message, tmp_path):
    folder = Workdir(tmp_path)
    folder.claim(SETTINGS)
    before = folder.config.read_text()
    with pytest.raises(UserError, match=message):
        folder.claim(SETTINGS | change)
    assert folder.config.read_text() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"config": {}}'])
def test_refuses_a_config_json_of_another_kind(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config.json must be one that ssdgm-train wrote. Received: .*config.json"):
        Workdir(tmp_path).claim(SETTINGS)


def test_more_epochs_begin_with_the_end_of_the_old_results(tmp_path, monkeypatch):
    folder, more = Workdir(tmp_path), SETTINGS | {"config": {**SETTINGS["config"], "epochs": 4}}
    folder.claim(SETTINGS)
    for path in (folder.results, folder.report):
        path.write_text("{}")
    folder.check(more)
    assert folder.lacks_epochs(more) and not folder.lacks_epochs(SETTINGS) and folder.results.exists()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ssdgm_tf.runs.workdir.write_json", interrupt)
        folder.claim(more)
    assert not folder.results.exists() and not folder.report.exists()  # whichever command comes next, it goes on
    folder.claim(more)
    assert folder.load_config()["config"]["epochs"] == 4 and not folder.lacks_epochs(more)


def interrupt(*_):
    raise KeyboardInterrupt


def test_check_writes_nothing(tmp_path):
    Workdir(tmp_path / "run").check(SETTINGS)
    assert not (tmp_path / "run").exists()


def test_a_line_of_metrics_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1}) + "\n" + '{"epoch": 2, "lo')
    assert Workdir(tmp_path).load_metrics() == [{"epoch": 1}]


@pytest.mark.parametrize("spec", ["none", "standardize", "pca:2", "zca"])
def test_the_preprocessing_is_kept(spec, tmp_path):
    x = np.random.default_rng(0).normal(5, 2, (20, 3)).astype(np.float32)
    fitted, folder = data.fit_preprocessing(spec, x), Workdir(tmp_path)
    folder.save_data(Served((3,), ("a", "b"), "float32", fitted))
    shape, names, _, kept = folder.load_data()
    assert shape == (3,) and names == ("a", "b") and type(kept) is type(fitted)
    if fitted is not None:
        np.testing.assert_array_equal(kept.transform(x), fitted.transform(x))


def test_half_a_preprocessing_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", shape=[3], class_names=np.array([], np.str_), raw_dtype="float32", mean=np.zeros(3))
    with pytest.raises(UserError, match=r"data.npz must be one that ssdgm-train wrote. Received: .*scale"):
        Workdir(tmp_path).load_data()


@pytest.mark.parametrize("raw_dtype", ["uint8", "float32"])
@pytest.mark.parametrize("spec", ["none", "pca:2"])
def test_what_serving_needs_comes_back(raw_dtype, spec, tmp_path):
    x = np.random.default_rng(0).uniform(size=(20, 2, 3, 1)).astype(np.float32)
    fitted = data.fit_preprocessing(spec, x)
    Workdir(tmp_path).save_data(Served((2, 3, 1), ("cat", "dög"), raw_dtype, fitted))
    shape, class_names, kind, preprocessing = Workdir(tmp_path).load_data()
    assert (shape, class_names, kind) == ((2, 3, 1), ("cat", "dög"), raw_dtype)
    if fitted is None:
        assert preprocessing is None
    else:
        np.testing.assert_array_equal(preprocessing.transform(x), fitted.transform(x))


def test_data_of_another_kind_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.npz must be one that ssdgm-train wrote\. Received"):
        Workdir(tmp_path).load_data()
    for raw_dtype in ("string", "int32"):
        Workdir(tmp_path).save_data(Served((2, 3, 1), (), raw_dtype, None))
        with pytest.raises(UserError, match=rf"data.npz must be one that .* \(images of {raw_dtype}\)"):
            Workdir(tmp_path).load_data()
