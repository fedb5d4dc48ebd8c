"""How quick the page in the browser is: the first view of the map, its frames while it moves, and the maker.

    python -m benchmarks.page --workdir=RUN [--data_dir=DATA] [--output=FILE]

The server runs as `ssdgm-explore` starts it, beside a headless Chromium without a GPU, which takes its part of the
processor.
Writes results/page.json, a row for each run's data set, and `python -m benchmarks.render` the table.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

OUTPUT = Path(__file__).parent / "results" / "page.json"
_MOVES, _MADE = 60, 40


def main() -> None:
    """Measures a run, and adds it to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--data_dir")
    parser.add_argument("--output", default=OUTPUT, type=Path)
    arguments = parser.parse_args()
    more = [f"--data_dir={arguments.data_dir}"] if arguments.data_dir else []
    command = [sys.executable, "-m", "ssdgm_tf.trainers.explore", f"--workdir={arguments.workdir}", "--noopen", *more]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = next(found[0] for line in process.stdout or () if (found := re.search(r"http://\S+", line)))
            started = time.monotonic() - began
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                row = {
                    "start_s": round(started, 2),
                    **measure(browser.new_page(viewport={"width": 1280, "height": 900}), address),
                }
                browser.close()
        finally:
            process.kill()
    found = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    found[row.pop("title")] = row
    arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(row, indent=1))


def measure(page: Page, address: str) -> dict[str, Any]:
    """The figures of one run: seconds until the map is there, milliseconds between its frames, and of the maker.

    Args:
        page: an empty page.
        address: of the served run.
    """
    began = time.monotonic()
    page.goto(address)
    page.wait_for_selector("#map-canvas[data-frames]")
    first = time.monotonic() - began
    words = page.inner_text("#map-by")
    intervals = page.evaluate(
        """async (moves) => {
          const canvas = document.getElementById("map-canvas"), times = [];
          const box = canvas.getBoundingClientRect();
          const at = (k) => ({clientX: box.left + 300 + 3 * k, clientY: box.top + 300 + 2 * k, pointerId: 1, bubbles: true});
          canvas.setPointerCapture = () => {};
          canvas.dispatchEvent(new PointerEvent("pointerdown", at(0)));
          for (let k = 1; k <= moves; k++) {
            canvas.dispatchEvent(new PointerEvent("pointermove", at(k)));
            if (k % 10 === 0) canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: k % 20 ? -40 : 40, ...at(k)}));
            await new Promise(requestAnimationFrame);
            times.push(performance.now());
          }
          return times.slice(1).map((time, k) => time - times[k]);
        }""",
        _MOVES,
    )
    painted = float(page.get_attribute("#map-canvas", "data-milliseconds") or 0)
    page.goto(f"{address}#make")
    page.wait_for_selector("#make-view[data-made]")
    made = []
    for k in range(_MADE):
        before = page.get_attribute("#make-view", "data-made")
        page.locator('#make-controls input[type="range"]').nth(k % 3).press("ArrowRight" if k % 2 else "ArrowLeft")
        page.wait_for_selector(f'#make-view:not([data-made="{before}"])')
        made.append(float(page.get_attribute("#make-view", "data-milliseconds") or 0))
    return {
        "title": page.inner_text("#title"),
        "map": words,
        "first_view_s": round(first, 2),
        "frame_ms": round(statistics.median(intervals), 1),
        "slowest_frame_ms": round(sorted(intervals)[int(0.95 * len(intervals))], 1),
        "painted_ms": painted,
        "maker_ms": round(statistics.median(made), 1),
        "slowest_maker_ms": round(sorted(made)[int(0.95 * len(made))], 1),
    }


if __name__ == "__main__":
    main()
