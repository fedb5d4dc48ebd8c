import json

import pytest

from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.workdir import Workdir

SETTINGS = {"config": {"model": "m2", "epochs": 3, "hidden_units": (5,), "weight": None}, "precision": "float32"}


def test_claims_an_empty_folder_and_again_with_the_same_settings(tmp_path):
    folder = Workdir(tmp_path / "run")
    folder.claim(SETTINGS)
    folder.claim(SETTINGS)
    assert folder.load_config()["config"]["hidden_units"] == [5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {**SETTINGS["config"], "epochs": 4}}, r"Received: config.epochs = 4, where .* has 3"),
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


def test_check_writes_nothing(tmp_path):
    Workdir(tmp_path / "run").check(SETTINGS)
    assert not (tmp_path / "run").exists()


def test_a_line_of_metrics_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1}) + "\n" + '{"epoch": 2, "lo')
    assert Workdir(tmp_path).load_metrics() == [{"epoch": 1}]
