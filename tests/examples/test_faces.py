"""The faces example runs from its command on a file of the same form, and leaves what it says it leaves."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

EXAMPLE = Path(__file__).parents[2] / "examples" / "faces.py"


def test_the_example_runs(tmp_path):
    generator = np.random.default_rng(0)
    size = 190
    np.savez(
        tmp_path / "faces.npz",
        x=generator.integers(256, size=(size, 48, 42, 1), dtype=np.uint8),
        y=np.arange(size) % 38,
        azimuth_deg=generator.uniform(-90, 90, size).astype(np.float32),
        elevation_deg=generator.uniform(-40, 90, size).astype(np.float32),
    )
    arguments = [f"--data={tmp_path / 'faces.npz'}", f"--output={tmp_path / 'run'}", "--epochs=1", "--labelled=0.3"]
    result = subprocess.run([sys.executable, str(EXAMPLE), *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.splitlines()[-1].startswith("Results in ")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    for key in ("graphical_model", "labels_alone", "nearest_neighbour"):
        assert set(results[key]) == {"identity_error_percent", "lighting_degrees"}
        assert all(np.isfinite(value) for value in results[key].values())
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written == {"results.json", "model.keras", "graph.png", "lighting.png", "identity.png"}
