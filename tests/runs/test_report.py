"""What a report says of each class, and that its figures are written whole."""

import re
import types

import numpy as np
import pytest

from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.runs import measuring, report, wording
from ssdgm_tf.runs.workdir import Workdir


def rows(name, results, class_names=()):
    table = report._class_table(name, results, types.SimpleNamespace(class_names=class_names, targets=None))
    return re.search(r"<h2>(.*)</h2>", table)[1], re.findall(r"<td>([^<]*)</td><td>([^<]*)</td>", table)


def test_the_words_for_each_class():
    """The least recall first; the names are those of the data set, if it names these classes."""
    results = measuring.of_classes(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    found = [("<cat>", "50.0 % of 2"), ("cow", "100.0 % of 1"), ("dog", "no examples")]
    title, table = rows("recall", results, ("<cat>", "dog", "cow"))
    assert title == "Test recall of each class" and table == [("&lt;cat&gt;", found[0][1]), *found[1:]]
    of_one = {f"who_{name}": value for name, value in results.items()}
    title, table = rows("who_recall", of_one, ("two", "names"))
    assert title == "Test recall of each who class" and [name for name, _ in table] == ["0", "2", "1"]
    assert ("Test balanced error", "25.00 %") in wording.error_rows(results | {"error": 1 / 3})
    assert ("Test who balanced error", "25.00 %") in wording.error_rows(of_one)


def test_of_a_thousand_classes_the_report_has_the_least():
    labels = np.arange(1000)
    results = measuring.of_classes(labels, np.where(labels == 700, 0, labels), 1000)
    _, table = rows("recall", results)
    assert table[0] == ("700", "0.0 % of 1") and len(table) == 41 and table[-1] == ("960 more classes", "in results.json")


def test_a_figure_that_is_cut_off_leaves_the_one_before(tmp_path, monkeypatch):
    def savefig(path, **kwargs):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    figure = Captioned(types.SimpleNamespace(savefig=savefig), "")
    monkeypatch.setattr(report, "figures", lambda *args: {"samples": figure})
    folder = Workdir(tmp_path)
    folder.figures.mkdir()
    (folder.figures / "samples.png").write_bytes(b"whole")
    with pytest.raises(KeyboardInterrupt):
        report.write(None, None, {"config": {}}, {}, folder)
    assert [path.read_bytes() for path in folder.figures.iterdir()] == [b"whole"]
