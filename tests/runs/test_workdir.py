import contextlib
import json
import os
import pathlib

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs.common import model_config
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.workdir import Served, Workdir, write_json


def settings(**fields):
    config = model_config(hidden_units=(5,), epochs=3).to_dict() | fields
    return {"config": config, "precision": "float32", "jit_compile": "auto"}


SETTINGS, MORE = settings(), settings(epochs=5)


def test_claims_an_empty_folder_and_again_with_the_same_settings(tmp_path):
    folder = Workdir(tmp_path / "run")
    folder.claim(SETTINGS)
    folder.claim(SETTINGS)
    assert folder.load_config()["config"]["hidden_units"] == [5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (settings(epochs=2), r"may grow, .* Received: config.epochs = 2, where .* has 3"),
        ({"precision": "bfloat16"}, r"Received: precision = 'bfloat16', where .* has 'float32'"),
        (settings(epochs=4, gamma=1.0), r"A workdir holds one config.* config.epochs = 4 \(and config.gamma\)"),
        (settings(new=4), r"config.new = 4, where .* has None"),
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


@pytest.mark.parametrize("field", ["config.resize", "config.balance", "precision"])
def test_the_config_of_an_older_version_is_refused_by_what_it_lacks(field, tmp_path):
    """Whether the run goes on, is built on, or is predicted from."""
    folder, older = Workdir(tmp_path), json.loads(json.dumps(SETTINGS))
    del (older["config"] if field.startswith("config.") else older)[field.removeprefix("config.")]
    write_json(folder.config, older)
    for use in (folder.load_config, lambda: folder.check(SETTINGS), lambda: folder.claim(MORE)):
        with pytest.raises(UserError, match=rf"must have every field of a run.* Received: .*config.json, without {field}$"):
            use()


def finished(path):
    """The folder of a finished run of `SETTINGS`."""
    folder = Workdir(path)
    folder.claim(SETTINGS)
    for file in (folder.model, folder.metrics, folder.results, folder.report):
        file.write_text("{}")
    return folder


def test_a_run_goes_on_for_more_epochs_without_its_old_results(tmp_path):
    folder = finished(tmp_path)
    folder.check(MORE)
    assert folder.lacks_epochs(MORE) and not folder.lacks_epochs(SETTINGS) and folder.results.exists()
    folder.claim(MORE)
    assert not folder.results.exists() and not folder.report.exists()
    assert folder.model.exists() and folder.metrics.exists() and not folder.lacks_epochs(MORE)
    assert folder.load_config() == json.loads(json.dumps(MORE)) | {"earlier_epochs": [3]}
    folder.claim(settings(epochs=6))
    folder.check(folder.load_config())
    assert folder.load_config()["earlier_epochs"] == [3, 5]
    with pytest.raises(UserError, match="never taken back"):
        folder.check(SETTINGS)


@pytest.mark.parametrize("operation", range(6))
def test_whatever_stops_it_the_same_settings_go_on(operation, tmp_path, monkeypatch):
    """The process ends before each change of the folder: never does the old run's result stand for the new one's."""
    folder, count = finished(tmp_path), iter(range(10))

    def stopping(function):
        def run(*args, **kwargs):
            if next(count) == operation:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return run

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for owner, name in ((pathlib.Path, "unlink"), (pathlib.Path, "write_text"), (os, "replace")):
            patch.setattr(owner, name, stopping(getattr(owner, name)))
        folder.claim(MORE)
    assert folder.lacks_epochs(MORE) or not folder.results.exists()
    folder.claim(MORE)
    assert folder.load_config()["config"]["epochs"] == 5 and not folder.results.exists()
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.parametrize("epochs", [2, 5])
def test_a_baseline_has_no_epochs_to_go_on_for(epochs, tmp_path):
    folder = finished(tmp_path)
    folder.model.unlink()
    with pytest.raises(UserError, match="A workdir holds one config"):
        folder.claim(settings(epochs=epochs))
    assert folder.results.exists()


def test_a_run_that_has_not_begun_is_one_of_the_new_epochs(tmp_path):
    """So is a baseline that was stopped."""
    folder = Workdir(tmp_path)
    folder.claim(SETTINGS)
    folder.claim(MORE)
    assert folder.load_config() == json.loads(json.dumps(MORE)) and not folder.has_begun


@pytest.mark.parametrize("epochs", [None, "3", 3.5])
def test_epochs_of_another_kind_are_another_config(epochs, tmp_path):
    folder = Workdir(tmp_path)
    folder.claim(settings(epochs=epochs))
    with pytest.raises(UserError, match=r"A workdir holds one config.* Received: config.epochs = 5, where .* has"):
        folder.check(MORE)


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
    kept = folder.load_data()
    assert kept.shape == (3,) and kept.class_names == ("a", "b") and type(kept.preprocessing) is type(fitted)
    if fitted is not None:
        np.testing.assert_array_equal(kept.preprocessing.transform(x), fitted.transform(x))


def test_half_a_preprocessing_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", shape=[3], class_names=np.array([], np.str_), columns=[], raw_dtype="float32", mean=[0])
    with pytest.raises(UserError, match=r"data.npz must be one that ssdgm-train wrote. Received: .*scale"):
        Workdir(tmp_path).load_data()


@pytest.mark.parametrize("raw_dtype", ["uint8", "float32"])
@pytest.mark.parametrize("spec", ["none", "pca:2"])
def test_what_serving_needs_comes_back(raw_dtype, spec, tmp_path):
    x = np.random.default_rng(0).uniform(size=(20, 2, 3, 1)).astype(np.float32)
    fitted = data.fit_preprocessing(spec, x)
    given = (2, 3, 1), ("cat", "dög"), raw_dtype
    Workdir(tmp_path).save_data(Served(*given, fitted, ("länge", "1"), (2, -1)))
    *kept, preprocessing, columns, decimals = Workdir(tmp_path).load_data()
    assert tuple(kept) == given and columns == ("länge", "1") and decimals == (2, -1)
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
