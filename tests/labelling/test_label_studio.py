import csv
import io
import json

import pytest

from ssdgm_tf.labelling import Labels, label_studio

NAMES = {"y": ["cat", "dog, big", 'a "bird"']}
LABELS = Labels({"y": {7: 1, 3: 2}}, {"y": {5}}, {}, {}, 3)
BOTH = {"y": ["cat", "dog"], "age": ["young", "old"]}
EVENTS = [
    {"event": "label", "index": 3, "variable": "y", "value": 2},
    {"event": "label", "index": 7, "variable": "y", "value": 1},
]


def test_tasks_are_those_of_label_studio():
    (first, second) = label_studio.to_tasks(LABELS, NAMES)
    assert first["data"] == {"index": 3}
    (result,) = first["annotations"][0]["result"]
    assert result == {"from_name": "y", "to_name": "example", "type": "choices", "value": {"choices": ['a "bird"']}}
    assert second["annotations"][0]["result"][0]["value"]["choices"] == ["dog, big"]


def test_csv_has_a_row_for_each_label():
    lines = list(csv.reader(io.StringIO(label_studio.to_csv(LABELS, NAMES))))
    assert lines == [["index", "variable", "label"], ["3", "y", 'a "bird"'], ["7", "y", "dog, big"]]


def test_names_of_examples_go_with_their_labels():
    ids = [f"photo {index}.png" for index in range(8)]
    lines = list(csv.reader(io.StringIO(label_studio.to_csv(LABELS, NAMES, ids))))
    assert lines[0] == ["index", "variable", "label", "id"]
    assert [line[3] for line in lines[1:]] == ["photo 3.png", "photo 7.png"]
    tasks = label_studio.to_tasks(LABELS, NAMES, ids)
    assert [task["data"] for task in tasks] == [{"index": index, "id": ids[index]} for index in (3, 7)]
    for text in (json.dumps(tasks), label_studio.to_csv(LABELS, NAMES, ids)):
        assert sorted(label_studio.from_text(text, NAMES), key=lambda event: event["index"]) == EVENTS


@pytest.mark.parametrize("written", ["json", "csv"])
def test_what_is_written_is_read(written):
    text = json.dumps(label_studio.to_tasks(LABELS, NAMES)) if written == "json" else label_studio.to_csv(LABELS, NAMES)
    assert sorted(label_studio.from_text(text, NAMES), key=lambda event: event["index"]) == EVENTS


@pytest.mark.parametrize(
    "text",
    [
        '[{"index": 3, "label": "a \\"bird\\""}, {"index": 7, "y": "dog, big"}]',
        'index,label\n3,"a ""bird"""\n7,"dog, big"\n',
        # Label Studio's own names of tags, where there is one variable.
        json.dumps(
            [
                {"data": {"index": i}, "annotations": [{"result": [{"from_name": "choice", "value": {"choices": [name]}}]}]}
                for i, name in ((3, 'a "bird"'), (7, "dog, big"))
            ]
        ),
    ],
)
def test_short_forms_are_read(text):
    assert label_studio.from_text(text, NAMES) == EVENTS


def test_several_variables_go_there_and_back():
    labels = Labels({"y": {1: 0}, "age": {1: 1, 2: 0}}, {}, {}, {}, 3)
    for text in (json.dumps(label_studio.to_tasks(labels, BOTH)), label_studio.to_csv(labels, BOTH)):
        found = {(event["variable"], event["index"], event["value"]) for event in label_studio.from_text(text, BOTH)}
        assert found == {("y", 1, 0), ("age", 1, 1), ("age", 2, 0)}


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "[1]", '[{"index": 1}]', "{", "index,label\nx,cat\n", '{"annotations": 3}']
)
def test_refuses_other_files(text):
    with pytest.raises(ValueError, match="Labels come as Label Studio's JSON, or as CSV with the columns index and label"):
        label_studio.from_text(text, NAMES)


def annotated(*annotations, index=3):
    return json.dumps([{"data": {"index": index}, "annotations": annotations}])


def choice(*names, **more):
    return {"result": [{"from_name": "y", "value": {"choices": names}}], **more}


def test_a_cancelled_annotation_is_none():
    found = label_studio.from_text(annotated(choice("cat", was_cancelled=True), choice("dog, big")), NAMES)
    assert [(event["index"], event["value"]) for event in found] == [(3, 1)]
    assert label_studio.from_text(annotated(choice("cat", was_cancelled=True)), NAMES) == []


@pytest.mark.parametrize(
    "text",
    [
        annotated(choice("cat"), choice("dog, big")),
        annotated(choice("cat", "dog, big")),
        annotated(choice()),
        annotated(choice("cat"), index=3.7),
        '[{"index": true, "label": "cat"}]',
    ],
)
def test_refuses_what_says_two_things_or_none(text):
    with pytest.raises(ValueError, match="Received: a file of another form"):
        label_studio.from_text(text, NAMES)


@pytest.mark.parametrize("text", ["index,label\n3,cow\n", "index,variable,label\n3,z,cat\n"])
def test_refuses_unknown_classes_and_variables(text):
    with pytest.raises(ValueError, match="A label must be one of"):
        label_studio.from_text(text, NAMES)
