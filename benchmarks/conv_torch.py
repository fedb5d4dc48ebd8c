"""The step of `fast_mnist` by hand in PyTorch, as fast as we could make it: one pass over both streams, fused Adam.

The convolutions are in PyTorch's channels-last layout. The package does not use it; the benchmarks compare with it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from benchmarks import convolutional as c
from benchmarks import problem as p

Weights = dict[str, torch.Tensor]


class Noise(NamedTuple):
    """The random numbers of a step.

    Attributes:
        labelled: standard normal, [L, 10].
        unlabelled: standard normal, [10 or 2, U, 10].
        uniform: uniform in (0, 1), [U, 10], for the class that is drawn.
        moves: uniform in (-1, 1), [L + U, 6], for the moves of images; None for none.
        kept: uniform in (0, 1), [L + U, features], for the dropout; None for none.
    """

    labelled: torch.Tensor
    unlabelled: torch.Tensor
    uniform: torch.Tensor
    moves: torch.Tensor | None = None
    kept: torch.Tensor | None = None


class Step:
    """One training step of a problem.

    Args:
        problem: the data and weights.
        case: its name, which the problem implies.
        compiled: whether to use `torch.compile`; otherwise eager.
    """

    def __init__(self, problem: c.Problem, case: str, compiled: bool = True):
        x = torch.tensor(np.concatenate([problem.x_labelled, problem.x_unlabelled]))
        self.x, self.y = x.reshape(len(x), 1, *c.PIXELS[:2]), torch.tensor(problem.y, dtype=torch.int64)
        self.problem = problem
        self.weights = {name: _parameter(name, value) for name, value in problem.weights.items()}
        self.optimizer = torch.optim.Adam(self.weights.values(), c.LEARNING_RATE, fused=True)
        self.loss_of = torch.compile(self._loss, fullgraph=True, dynamic=False) if compiled else self._loss

    def check(self, problem: c.Problem) -> dict[str, Any]:
        """The loss and the norm of each weight's gradient at the problem's noise, without moves and dropout."""
        arrays = problem.noise_labelled, problem.noise_unlabelled, problem.uniform
        loss = self._loss(self.weights, Noise(*map(torch.tensor, arrays)))
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        return {"loss": loss.item(), "gradients": [float(gradient.norm()) for gradient in gradients]}

    def __call__(self) -> None:
        """Takes one step."""
        images, features = len(self.x), len(self.problem.weights["W_c3"])
        normal = torch.randn(len(self.y), c.LATENT), torch.randn(self.problem.noise_unlabelled.shape)
        uniform = torch.rand(self.problem.uniform.shape), torch.rand(images, 6) * 2 - 1, torch.rand(images, features)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(self.weights, Noise(*normal, *uniform))
        loss.backward()
        self.optimizer.step()
        loss.item()

    def _loss(self, w: Weights, noise: Noise) -> torch.Tensor:
        x, y, labelled = self.x.flatten(1), self.y, len(self.y)
        log_qy = torch.log_softmax(_logits(w, self.x, noise), dim=-1)
        log_q, log_weight, score, states = self._states(log_qy[labelled:], noise)
        # Rows: the labelled images, then all unlabelled ones for each of their classes.
        classes = torch.cat([y, states.flatten()])
        of_x = functional.linear(x, w["W_zx"].t(), w["b_zx"])
        rows = torch.cat([of_x[:labelled], of_x[labelled:].repeat(len(states), 1)])
        h = functional.relu(rows + w["W_zy"][classes])
        loc, raw = functional.linear(h, w["W_z"].t(), w["b_z"]).chunk(2, dim=-1)
        scale = functional.softplus(raw + p.SCALE_OFFSET) + p.SCALE_MINIMUM
        z = loc + scale * torch.cat([noise.labelled, noise.unlabelled.reshape(-1, c.LATENT)])
        kl = (0.5 * (scale * scale + loc * loc - 1) - torch.log(scale)).sum(-1)
        made = (_transposed if self.problem.convolutional else _dense)(w, classes, z)
        free = made[labelled:].reshape(*states.shape, -1)
        log_prior = math.log(c.CLASSES)
        bounds = _log_density(x[labelled:], free) - kl[labelled:].reshape(states.shape) - log_prior - log_q
        weight = torch.exp(log_weight)
        unlabelled = (weight * bounds).sum(0)
        if score is not None:
            signal = (weight[1] * (bounds[1] - bounds[0])).detach()
            unlabelled = unlabelled + (score - score.detach()) * signal
        held = _log_density(x[:labelled], made[:labelled]) - kl[:labelled] - log_prior
        held = held + c.CLASSIFICATION_WEIGHT * log_qy[:labelled].gather(1, y[:, None])[:, 0]
        return -unlabelled.mean() - c.LABELLED_WEIGHT * held.mean()

    def _states(
        self, log_qy: torch.Tensor, noise: Noise
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Log q, the log weight, the score of the draw, and the classes, [states, U] each."""
        if self.problem.sums_classes:
            log_q = log_qy.t()
            return log_q, log_q, None, torch.arange(c.CLASSES)[:, None].expand(-1, len(log_qy))
        top, index = log_qy.max(-1)
        rest = log_qy.masked_fill(functional.one_hot(index, c.CLASSES).bool(), -math.inf)
        log_rest = torch.logsumexp(rest, dim=-1)
        drawn = (rest.detach() - torch.log(-torch.log(noise.uniform.clamp(1e-7, 1 - 1e-7)))).argmax(-1)
        log_drawn = log_qy.gather(1, drawn[:, None])[:, 0]
        log_q, log_weight = torch.stack([top, log_drawn]), torch.stack([top, log_rest])
        return log_q, log_weight, log_drawn - log_rest, torch.stack([index, drawn])


def _parameter(name: str, value: np.ndarray) -> torch.Tensor:
    """A weight in PyTorch's layout: [out, in, H, W], channels last; of a transposed convolution [in, out, H, W]."""
    tensor = torch.tensor(value)
    if tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return tensor.requires_grad_()


def _logits(w: Weights, x: torch.Tensor, noise: Noise) -> torch.Tensor:
    """The logits of q(y|x)."""
    h = x if noise.moves is None else _moved(x, noise.moves)
    h = functional.pad(h, (1, 2, 1, 2)).contiguous(memory_format=torch.channels_last)
    h = functional.relu(functional.conv2d(h, w["W_c0"], w["b_c0"], stride=2))
    for name in ("c1", "c2"):
        h = functional.relu(functional.conv2d(h, w[f"W_{name}"], w[f"b_{name}"], padding=1))
        h = functional.max_pool2d(h, 2, ceil_mode=True)
    h = h.permute(0, 2, 3, 1).flatten(1)
    if noise.kept is not None:
        h = h * (noise.kept >= c.DROPOUT) / (1 - c.DROPOUT)
    h = functional.relu(functional.linear(h, w["W_c3"].t(), w["b_c3"]))
    return functional.linear(h, w["W_y"].t(), w["b_y"])


def _moved(x: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """Images shifted, turned, scaled and sheared: bilinear, zero outside."""
    shift, rotation, scaling, shearing = c.MOVES
    largest = torch.tensor([math.radians(rotation), scaling, scaling, shearing, shift, shift])
    angle, log_height, log_width, shear, down, right = (moves * largest).unbind(1)
    cos, sin, height, width = torch.cos(angle), torch.sin(angle), torch.exp(log_height), torch.exp(log_width)
    half = (c.PIXELS[0] - 1) / 2
    # PyTorch's order is columns before rows, in half widths of the image.
    columns = [(shear * sin + cos) * width, sin * height, right / half]
    rows = [(shear * cos - sin) * width, cos * height, down / half]
    matrices = torch.stack([torch.stack(columns, -1), torch.stack(rows, -1)], 1)
    grid = functional.affine_grid(matrices, list(x.shape), align_corners=True)
    return functional.grid_sample(x, grid, align_corners=True)


def _dense(w: Weights, classes: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The means of the pixels by a dense decoder, [rows, 784]."""
    h = functional.relu(functional.linear(z, w["W_xz"].t(), w["b_xy"]) + w["W_xy"][classes])
    return functional.linear(h, w["W_x"].t(), w["b_x"])


def _transposed(w: Weights, classes: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The means of the pixels by transposed convolutions, [rows, 784]."""
    of_y, of_z = w["W_d0"].split([c.CLASSES, c.LATENT])
    h = functional.relu(functional.linear(z, of_z.t(), w["b_d0"]) + of_y[classes])
    side = c.SMALLEST_DECODED
    h = h.reshape(-1, side, side, c.DECODER_FILTERS[0]).permute(0, 3, 1, 2)
    h = functional.relu(functional.conv_transpose2d(h, w["W_d1"], w["b_d1"], stride=2, padding=1))
    return functional.conv_transpose2d(h, w["W_d2"], w["b_d2"], stride=2, padding=1).flatten(1)


def _log_density(x: torch.Tensor, loc: torch.Tensor) -> torch.Tensor:
    """The log density of Normal(loc, SCALE) at x, summed over the pixels."""
    constant = math.log(c.SCALE) + 0.5 * math.log(2 * math.pi)
    return (-0.5 / c.SCALE**2 * (x - loc) ** 2 - constant).sum(-1)
