"""The convolutional step: the engine has the weights that the problem lists, and all sides compute the same."""

import numpy as np
import pytest

from benchmarks import convolutional

CASE = "fast_mnist"


@pytest.fixture(scope="module")
def problem():
    return convolutional.make(CASE, 4, 3)


@pytest.fixture(scope="module")
def step(problem):
    return convolutional.Step(problem, CASE)


def test_the_engine_takes_the_step(problem, step):
    """Its weights have the listed shapes, or they could not be set; it learns."""
    before = step.check(problem)
    assert np.isfinite(before["loss"]) and len(before["gradients"]) == len(problem.weights)
    assert all(norm > 0 for norm in before["gradients"])
    step()
    assert step.check(problem)["loss"] != before["loss"]


def test_pytorch_computes_the_same(problem):
    pytest.importorskip("torch", reason="install '.[bench]' to compare with PyTorch")
    from benchmarks import conv_torch

    answers = {"ssdgm_tf": convolutional.Step(problem, CASE).check(problem)}
    answers[convolutional.AGAINST] = conv_torch.Step(problem, CASE, compiled=False).check(problem)
    convolutional.check_alike(answers)


@pytest.mark.parametrize("field", ["loss", "gradients"])
def test_what_differs_is_refused(field):
    answer = {"loss": 2.0, "gradients": [1.0, 3.0]}
    other = answer | {field: 2.01 if field == "loss" else [1.0, 3.1]}
    convolutional.check_alike({convolutional.AGAINST: answer, "mine": dict(answer)})
    with pytest.raises(ValueError, match=r"must compute the same\. Received: mine"):
        convolutional.check_alike({convolutional.AGAINST: answer, "mine": other})
