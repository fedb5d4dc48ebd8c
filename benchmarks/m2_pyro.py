"""M2 in Pyro: its enumerating objective, as in Pyro's example, with one optimizer step for the whole objective.

Pyro's objective takes log q(z) - log p(z) at the draw, where the others take the KL in closed form. Its loss is checked
against the explicit loss in the same form.
"""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate
from torch import nn
from torch.nn import functional

from benchmarks import problem as p


class Step:
    """One training step of a problem.

    Args:
        problem: the data and weights.
        precision: "float32".
    """

    analytic_kl = False

    def __init__(self, problem: p.Problem, precision: str = "float32"):
        if precision != "float32":
            raise ValueError(f"precision must be float32 for Pyro. Received: precision={precision!r}")
        pyro.enable_validation(False)
        pyro.clear_param_store()
        w = problem.weights
        self.x_labelled, self.x_unlabelled = torch.tensor(problem.x_labelled), torch.tensor(problem.x_unlabelled)
        self.y = functional.one_hot(torch.tensor(problem.y), p.CLASSES).float()
        self.q_y = _network([w[f"{kind}_y{i}"] for i in range(3) for kind in "Wb"])
        first = np.concatenate([w["W_zy"], w["W_zx"]])
        self.q_z = _network([first, w["b_zx"], *(w[f"{kind}_z{i}"] for i in (1, 2) for kind in "Wb")])
        first = np.concatenate([w["W_xy"], w["W_xz"]])
        self.p_x = _network([first, w["b_xy"], *(w[f"{kind}_x{i}"] for i in (1, 2) for kind in "Wb")])
        self.networks = nn.ModuleList([self.q_y, self.q_z, self.p_x])
        self.optimizer = torch.optim.Adam(self.networks.parameters(), p.LEARNING_RATE, fused=True)
        self.elbo = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
        self.guide_enumerated = config_enumerate(self.guide, "parallel", expand=True)

    def loss(self, problem: p.Problem) -> float:
        """The loss at the problem's noise."""
        with mock.patch("torch.distributions.normal._standard_normal", _fixed(problem)):
            return float(self._loss().detach())

    def __call__(self) -> None:
        """Takes one step."""
        self.optimizer.zero_grad(set_to_none=True)
        self._loss().backward()
        self.optimizer.step()

    def _loss(self) -> torch.Tensor:
        unlabelled = self.elbo.differentiable_loss(self.model, self.guide_enumerated, self.x_unlabelled) / len(
            self.x_unlabelled
        )
        labelled = self.elbo.differentiable_loss(self.model, self.guide, self.x_labelled, self.y)
        log_qy = (torch.log_softmax(self.q_y(self.x_labelled), dim=-1) * self.y).sum()
        return unlabelled + (labelled - p.CLASSIFICATION_WEIGHT * log_qy) / len(self.y)

    def model(self, x: torch.Tensor, y: torch.Tensor | None = None) -> None:
        """p(y) p(z) p(x|y,z)."""
        with pyro.plate("images", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(p.LATENT), x.new_ones(p.LATENT)).to_event(1))
            y = pyro.sample("y", dist.OneHotCategorical(logits=x.new_zeros(p.CLASSES)), obs=y)
            logits = self.p_x(_concatenated(y, z))
            pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(1), obs=x)

    def guide(self, x: torch.Tensor, y: torch.Tensor | None = None) -> None:
        """q(y|x) q(z|x,y)."""
        with pyro.plate("images", len(x)):
            if y is None:
                y = pyro.sample("y", dist.OneHotCategorical(logits=self.q_y(x)))
            loc, raw = self.q_z(_concatenated(y, x)).chunk(2, dim=-1)
            scale = functional.softplus(raw + p.SCALE_OFFSET) + p.SCALE_MINIMUM
            pyro.sample("z", dist.Normal(loc, scale).to_event(1))


def _network(weights: list[np.ndarray]) -> nn.Sequential:
    """Linear layers with softplus between them, from [W, b, W, b, ...]."""
    layers: list[nn.Module] = []
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        layer = nn.Linear(*kernel.shape)
        layer.weight.data, layer.bias.data = torch.tensor(kernel.T.copy()), torch.tensor(bias)
        layers += [layer, nn.Softplus()]
    return nn.Sequential(*layers[:-1])


def _fixed(problem: p.Problem) -> Callable[..., torch.Tensor]:
    """Replaces Pyro's source of standard normal numbers by the problem's noise."""

    def noise(shape: tuple[int, ...], **_: Any) -> torch.Tensor:
        # Only unlabelled images have a class axis.
        return torch.tensor(problem.noise_unlabelled if len(shape) == 3 else problem.noise_labelled).expand(shape)

    return noise


def _concatenated(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    shape = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return torch.cat([a.expand(*shape, -1), b.expand(*shape, -1)], dim=-1)


class SviStep(Step):
    """The same objective as in Pyro's example: three losses, each with its own optimizer step."""

    def __init__(self, problem: p.Problem, precision: str = "float32"):
        super().__init__(problem, precision)
        optimizer = pyro.optim.Adam({"lr": p.LEARNING_RATE})

        def registered(function: Callable, size: int) -> Callable:
            def scaled(*args: torch.Tensor) -> Any:
                pyro.module("networks", self.networks)
                with pyro.poutine.scale(scale=1 / size):
                    return function(*args)

            return scaled

        def svi(model: Callable, guide: Callable, size: int) -> pyro.infer.SVI:
            return pyro.infer.SVI(registered(model, size), registered(guide, size), optimizer, self.elbo)

        self.of_unlabelled = svi(self.model, self.guide_enumerated, len(self.x_unlabelled))
        self.of_labelled = svi(self.model, self.guide, len(self.y))
        self.of_classifier = svi(self._classify, lambda x, y: None, len(self.y))

    def loss(self, problem: p.Problem) -> float:
        """The sum of the three losses at the problem's noise."""
        with mock.patch("torch.distributions.normal._standard_normal", _fixed(problem)):
            unlabelled = self.of_unlabelled.evaluate_loss(self.x_unlabelled)
            return (
                unlabelled
                + self.of_labelled.evaluate_loss(self.x_labelled, self.y)
                + self.of_classifier.evaluate_loss(self.x_labelled, self.y)
            )

    def __call__(self) -> None:
        """Takes one step for each of the three losses."""
        self.of_unlabelled.step(self.x_unlabelled)
        self.of_labelled.step(self.x_labelled, self.y)
        self.of_classifier.step(self.x_labelled, self.y)

    def _classify(self, x: torch.Tensor, y: torch.Tensor) -> None:
        with pyro.plate("images", len(x)), pyro.poutine.scale(scale=p.CLASSIFICATION_WEIGHT):
            pyro.sample("y", dist.OneHotCategorical(logits=self.q_y(x)), obs=y)
