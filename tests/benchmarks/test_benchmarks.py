"""Everybody who is measured computes the same loss; ratios are those of rounds; the tables say what was measured."""

import math

import numpy as np
import pytest

from benchmarks import interleave, render, scaling, served_worker, serving, step_time, time_to_error, worker
from benchmarks import problem as p
from ssdgm_tf import models


@pytest.fixture(scope="module")
def small():
    return p.make(4, 3)


@pytest.fixture(scope="module")
def longhand(small):
    return p.loss(small, analytic_kl=True)


def test_the_loss_longhand_tells_right_from_wrong(small, longhand):
    still = small._replace(noise_unlabelled=small.noise_unlabelled * 0, noise_labelled=small.noise_labelled * 0)
    assert not math.isclose(p.loss(still, True), longhand, rel_tol=1e-4)
    moved = {**small.weights, "W_x2": small.weights["W_x2"] * 1.01}
    assert not math.isclose(p.loss(small._replace(weights=moved), True), longhand, rel_tol=1e-4)


def test_the_engine_and_tensorflow_by_hand_compute_it(small, longhand):
    from benchmarks import engine, m2_tensorflow

    for module in (engine, m2_tensorflow):
        step = module.Step(small)
        assert step.loss(small) == pytest.approx(longhand, rel=1e-5)
        step()
        assert step.loss(small) != pytest.approx(longhand, rel=1e-5)  # it learned


def test_pytorch_and_pyro_compute_it(small, longhand):
    pytest.importorskip("torch", reason="install '.[bench]' to compare with PyTorch")
    pytest.importorskip("pyro", reason="install '.[bench]' to compare with Pyro")
    from benchmarks import m2_pyro, m2_torch

    assert m2_torch.Step(small, compiled=False).loss(small) == pytest.approx(longhand, rel=1e-5)
    for step in (m2_pyro.Step, m2_pyro.SviStep):
        assert step(small).loss(small) == pytest.approx(p.loss(small, analytic_kl=False), rel=1e-5)


def test_every_implementation_that_is_measured_can_be_made():
    named = {*step_time.IN_BOTH, *step_time.ESTIMATORS, *step_time.OTHERS, *step_time.PYRO, step_time.FLOOR}
    assert named == set(worker.IMPLEMENTATIONS)


def test_work_of_a_step_is_that_of_its_weights():
    """Of one row: every weight is used once forward and twice backward, but for those of pixels, once."""
    shapes = {name: value.size for name, value in p.make(1, 1).weights.items() if name.startswith("W")}
    of_pixels = shapes["W_y0"] + shapes["W_zx"]
    of_images = shapes["W_y1"] + shapes["W_y2"]
    of_rows = sum(shapes[f"W_{name}"] for name in ("z1", "z2", "xz", "x1", "x2"))
    expected = 2 * (2 * 300 * of_pixels + 3 * 300 * of_images + 3 * 2100 * of_rows)
    assert p.matrix_product_flops(200, 100) == expected


def test_ratios_are_of_the_same_round():
    seconds = {"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 8.0]}
    assert interleave.summary(seconds, "a")["b"] == {"median_ms": 4000.0, "ratio": 2.0, "ratio_quartiles": [2.0, 2.0]}


def test_everybody_steps_in_every_round_in_an_order_that_turns():
    order = []

    class Fake:
        settings = {"a": {}, "b": {}, "c": {}}

        def ask(self, name, line):
            order.append(name)
            return {"seconds": 1.0}

    interleave.measure(Fake(), rounds=3, steps=1)
    assert "".join(order) == "abcbcacab"


def test_a_worker_that_fails_is_named():
    with pytest.raises(RuntimeError, match="nobody ended"), interleave.Workers({"nobody": {"implementation": "?"}}):
        pass


@pytest.mark.slow
def test_every_way_to_ask_a_served_model_answers():
    """They agree, which `measure` checks; those that serve import TensorFlow alone."""
    rows = serving.measure(models.M2(10, latent_dim=2, hidden_units=(4,), seed=0), rounds=1)
    assert set(rows) == set(served_worker.WAYS) == {"SavedModel", "LiteRT", "Keras predict"}
    assert [row["tensorflow_alone"] for row in rows.values()] == [True, True, False]
    assert all(row["megabytes"] > 0 and row["1000"]["median_ms"] > 0 for row in rows.values())
    table = render.serving_table({"models": {"tiny": rows}})
    assert "1 image, ms | to Keras predict | 1,000 images, ms" in table and table.count("| tiny |") == 3


def test_a_straight_line_is_found(monkeypatch):
    clock = iter(np.cumsum([0.0, 0.003, 0.0, 0.005] * 5).tolist())
    monkeypatch.setattr(scaling, "make", lambda **_: lambda: None)
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: next(clock))
    sweep = scaling.measure("classes", (1, 2), rounds=5)
    assert sweep["ms"] == [3.0, 5.0] and sweep["constant_ms"] == 1.0 and sweep["ms_each"] == 2.0


def test_a_bar_that_is_missed_is_said_so():
    assert render._met(1.21, 1.2) == "**no**" and render._met(1.2, 1.2) == "yes"


def test_the_clock_stands_still_while_it_measures(monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(time_to_error.time, "perf_counter", lambda: seconds[0])
    clock = time_to_error.Clock(lambda: seconds.append(seconds.pop() + 20.0) or 0.25)
    seconds[0] += 5.0
    clock.measure()
    assert clock.errors == [0.25] and clock.seconds == [5.0] and clock.now() == 5.0


def test_the_error_at_a_minute_is_the_last_measured_before_it():
    run = {"method": "m2_mnist", "seed": 0, "seconds": [30.0, 90.0, 200.0], "error": [0.3, 0.2, 0.1]}
    assert time_to_error.at_minute(run | {"method": time_to_error.PYRO}, 9) is None  # cut off, not ended
    assert [time_to_error.at_minute(run, minute) for minute in (0.4, 1, 2, 9)] == [None, 30.0, 20.0, 10.0]
    chart = time_to_error.figure([run])
    assert len(chart.axes[0].lines) == 1
