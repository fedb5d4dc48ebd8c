"""The page in a browser: a headless Chromium, which `.ci/run` installs."""

import contextlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.runs.workdir import Workdir
from tests.app.conftest import run_on_table

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that notes every request, and every error of a script."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()


@contextlib.contextmanager
def served(folder, command="label"):
    """The address of the page of a run; the server is killed at the end."""
    words = [sys.executable, "-m", f"ssdgm_tf.trainers.{command}", f"--workdir={folder.path}", "--noopen"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"http://[^#\s]+", line):
                    yield found[0]
                    break
            else:
                pytest.fail("".join(said))
        finally:
            process.kill()


def opened(page, address, tab):
    page.goto(f"{address}#{tab}")
    page.wait_for_selector("body[data-ready]")


@pytest.fixture(scope="module")
def explored(finished, tmp_path_factory):
    """The address of a server that tests share, which change nothing."""
    path = tmp_path_factory.mktemp("explored") / "run"
    shutil.copytree(finished.path, path)
    with served(Workdir(path), "explore") as address:
        yield address


@pytest.fixture(scope="module")
def truth():
    return data.load("digits", 0, 0).y_train


def label(page, truth, number):
    """Labels so many examples by the keyboard, with their true labels; their indices."""
    done = []
    for _ in range(number):
        index = int(page.get_attribute("#label-view", "data-index"))
        given = int(page.get_attribute("#label-progress", "data-given"))
        page.keyboard.press(str(truth[index]))
        page.wait_for_selector(f'#label-progress[data-given="{given + 1}"]')
        page.wait_for_selector(f'#label-view:not([data-index="{index}"])')
        done.append(index)
    return done


def test_labels_survive_a_killed_server_and_help_the_model(page, folder, truth):
    with served(folder) as address:
        opened(page, address, "label")
        page.select_option("#label-rule", "entropy")
        page.wait_for_selector("#label-view img")
        done = label(page, truth, 20)
    assert LabelFile(folder.labels).read().values["y"] == {index: truth[index] for index in done}
    with served(folder) as address:
        opened(page, address, "label")
        assert page.get_attribute("#label-progress", "data-given") == "20"
        page.click("#train-start")
        page.wait_for_selector('#train-line[data-state="done"]', timeout=300_000)
        before, after = map(float, re.findall(r"([\d.]+) %", page.inner_text("#train-line")))
        assert after < before
        assert page.get_attribute("#label-progress", "data-given") == "20"
        page.wait_for_selector("#train-start:enabled", timeout=300_000)
        assert f"{after:.2f} %" in page.inner_text("#about")
    assert folder.report.exists()
    assert folder.training_labels.read_bytes() == folder.labels.read_bytes()
    assert {url.split("/")[2].split(":")[0] for url in page.requests} == {"127.0.0.1"}
    assert page.errors == []


def test_skip_none_undo_and_a_new_class_by_the_keyboard(page, folder):
    with served(folder) as address:
        opened(page, address, "label")
        page.wait_for_selector("#label-view img")
        indices = []
        for key in (" ", "-", "7"):
            indices.append(int(page.get_attribute("#label-view", "data-index")))
            page.keyboard.press(key)
            page.wait_for_selector(f'#label-view:not([data-index="{indices[-1]}"])')
        page.keyboard.press("Backspace")
        page.wait_for_selector(f'#label-view[data-index="{indices[2]}"]')
        page.keyboard.press("+")
        page.keyboard.type("<img src=x onerror=alert(1)> seven")
        page.keyboard.press("Enter")
        page.wait_for_selector("#label-classes button:nth-child(11)")
        assert page.inner_text("#label-classes button:nth-child(11)").startswith("<img src=x onerror=alert(1)> seven")
        page.keyboard.press("a")
        page.wait_for_selector('#label-progress[data-given="1"]')
        opened(page, address, "map")
        page.select_option("#map-colour", "y label")
        page.wait_for_selector("#map-legend li:last-child:has-text('seven (1)')")
        assert "<img src=x onerror=alert(1)> seven (1)" in page.inner_text("#map-legend")
    found = LabelFile(folder.labels).read()
    assert (found.skipped["y"], found.none["y"]) == ({indices[0]}, {indices[1]})
    assert found.values["y"] == {indices[2]: 10}
    assert page.errors == []


def test_two_variables_and_two_pages(page, tmp_path):
    folder = run_on_table(tmp_path, "label,kind")
    with served(folder) as address:
        opened(page, address, "label")
        page.wait_for_selector("#label-view table")
        first = page.get_attribute("#label-view", "data-index")
        assert page.inner_text("#label-question") == "Which label?"
        page.keyboard.press("1")
        page.wait_for_selector("#label-question:has-text('Which kind?')")
        assert page.get_attribute("#label-view", "data-index") == first
        page.keyboard.press("0")
        page.wait_for_selector(f'#label-view:not([data-index="{first}"])')
        other = page.context.new_page()
        opened(other, address, "label")
        assert other.get_attribute("#label-progress", "data-given") == "2"
        other.wait_for_selector("#label-view table")
        other.keyboard.press("Backspace")  # what the other page wrote last
        other.wait_for_selector(f'#label-view[data-index="{first}"]')
        assert other.inner_text("#label-question") == "Which kind?"
        other.keyboard.press("1")
        other.wait_for_selector('#label-progress[data-given="2"]')
        page.click("#tab-map")
        page.fill("#map-find", "LINE 1")
        page.keyboard.press("Enter")
        page.wait_for_selector("#map-selected button")
        assert page.inner_text("#map-selected p").endswith("found, the first 40")
        name = page.inner_text("#map-selected button >> nth=3")
        page.click("#map-selected button >> nth=3")
        page.wait_for_selector("#map-example figure")
        assert name.startswith("line 1")
        assert name in page.inner_text("#map-example")
        page.keyboard.press("Tab")
        page.focus("#map-find")
        page.keyboard.press("Enter")  # the same again
        page.wait_for_selector("#map-selected button")
        page.fill("#map-find", "line 9999")
        page.keyboard.press("Enter")
        page.wait_for_selector("#message:visible")
        assert "a part of the name of one. Received: 'line 9999'" in page.inner_text("#message")
    assert LabelFile(folder.labels).read().values == {"label": {int(first): 1}, "kind": {int(first): 1}}
    assert page.errors == []


def test_the_map_moves_zooms_and_opens_examples(page, explored):
    opened(page, explored, "map")
    canvas = page.locator("#map-canvas")
    page.wait_for_selector("#map-canvas[data-frames]")
    assert "1297 images" in page.inner_text("#map-by")
    canvas.focus()
    frames = int(canvas.get_attribute("data-frames"))
    for key in ("+", "ArrowLeft", "ArrowUp", "-", "0"):
        page.keyboard.press(key)
        page.wait_for_selector(f'#map-canvas:not([data-frames="{frames}"])')
        frames = int(canvas.get_attribute("data-frames"))
    page.fill("#map-find", "17")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-example figure")
    assert "example 17" in page.inner_text("#map-example")
    page.click("text=Each label")
    page.wait_for_selector("text=The same style, with each label")
    page.check("#map-lasso")
    page.click("#map-reset")
    box = canvas.bounding_box()
    left, top, width, height = (box[name] for name in ("x", "y", "width", "height"))
    corners = [
        (left + 2, top + 2),
        (left + width - 2, top + 2),
        (left + width - 2, top + height - 2),
        (left + 2, top + height - 2),
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    page.wait_for_selector("#map-selected p")
    assert page.inner_text("#map-selected p").startswith("1297 selected")
    page.click("text=Make from it")
    page.wait_for_selector("#make-view img")
    assert page.errors == []


def test_the_maker_makes_at_once_and_the_reader_reads(page, explored, tmp_path):
    opened(page, explored, "make")
    page.wait_for_selector("#make-view img")
    first = page.get_attribute("#make-view img", "src")
    page.check('#make-controls input[type="radio"][value="7"]')
    page.wait_for_selector('#make-view[data-made="2"]')
    assert page.get_attribute("#make-view img", "src") != first
    slider = page.locator('#make-controls input[type="range"]').first
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_selector('#make-view[data-made="3"]')
    page.click("#make-each")
    page.wait_for_selector("#make-row figure:nth-child(10)")
    page.click("#tab-read")
    np.save(tmp_path / "x.npy", np.asarray(data.load("digits", 0, 0).x_test[:1], np.float32))
    page.set_input_files("#read-file", tmp_path / "x.npy")
    page.wait_for_selector("#read-result figure")
    page.wait_for_selector("text=of known examples are as unusual")
    (tmp_path / "broken.png").write_bytes(b"broken")
    page.set_input_files("#read-file", tmp_path / "broken.png")
    page.wait_for_selector("#message:visible")
    assert "must be whole" in page.inner_text("#message")
    assert "broken.png" in page.inner_text("#message")
    assert page.errors == []


def test_the_page_fits_a_phone(browser, explored):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for tab in ("map", "make", "read", "label"):
        opened(page, explored, tab)
        page.wait_for_selector(f"#{tab}:visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_gone_server_is_said(page, folder):
    with served(folder) as address:
        opened(page, address, "label")
        page.wait_for_selector("#label-view img")
    page.keyboard.press("1")
    page.wait_for_selector("#message:visible")
    assert "The server is gone" in page.inner_text("#message")
