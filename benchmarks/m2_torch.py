"""M2 by hand in PyTorch, as fast as we could make it: images multiplied once, one pass over both streams, fused Adam.

The package does not use it; the benchmarks compare with it.
"""

import math

import numpy as np
import torch
from torch.nn import functional

from benchmarks import problem as p


class Step:
    """One training step of a problem.

    Args:
        problem: the data and weights.
        precision: "float32" or "bfloat16" (autocast).
        compiled: whether to use `torch.compile`; otherwise eager.
    """

    analytic_kl = True

    def __init__(self, problem: p.Problem, precision: str = "float32", compiled: bool = True):
        self.x = torch.tensor(np.concatenate([problem.x_labelled, problem.x_unlabelled]))
        self.y = torch.tensor(problem.y)
        self.weights = {name: torch.tensor(value, requires_grad=True) for name, value in problem.weights.items()}
        self.optimizer = torch.optim.Adam(self.weights.values(), p.LEARNING_RATE, fused=True)
        self.precision = precision
        self.loss_of = torch.compile(self._loss, fullgraph=True, dynamic=False) if compiled else self._loss

    def loss(self, problem: p.Problem) -> float:
        """The loss at the problem's noise."""
        noise = torch.tensor(problem.noise_labelled), torch.tensor(problem.noise_unlabelled)
        with torch.no_grad(), self._autocast():
            return float(self.loss_of(self.weights, *noise))

    def __call__(self) -> None:
        """Takes one step."""
        labelled, images = len(self.y), len(self.x)
        noise = torch.randn(labelled, p.LATENT), torch.randn(p.CLASSES, images - labelled, p.LATENT)
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.loss_of(self.weights, *noise)
        loss.backward()
        self.optimizer.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16")

    def _loss(
        self, w: dict[str, torch.Tensor], noise_labelled: torch.Tensor, noise_unlabelled: torch.Tensor
    ) -> torch.Tensor:
        x, y, labelled = self.x, self.y, len(self.y)
        unlabelled, rows = len(x) - labelled, p.CLASSES * (len(x) - labelled)
        linear = functional.linear

        def dense(h: torch.Tensor, name: str) -> torch.Tensor:
            return linear(h, w[f"W_{name}"].t(), w[f"b_{name}"])

        logits = dense(functional.softplus(dense(functional.softplus(dense(x, "y0")), "y1")), "y2")
        log_qy = torch.log_softmax(logits.float(), dim=-1)
        # Rows: the labelled images, then all unlabelled ones for each class.
        of_x = dense(x, "zx")
        h = of_x[labelled:] + w["W_zy"][:, None]
        h = torch.cat([of_x[:labelled] + w["W_zy"][y], h.reshape(rows, -1)])
        loc, raw = dense(functional.softplus(dense(functional.softplus(h), "z1")), "z2").float().chunk(2, dim=-1)
        scale = functional.softplus(raw + p.SCALE_OFFSET) + p.SCALE_MINIMUM
        z = loc + scale * torch.cat([noise_labelled, noise_unlabelled.reshape(rows, -1)])
        kl = (0.5 * (scale * scale + loc * loc - 1) - torch.log(scale)).sum(-1)
        of_y = w["W_xy"] + w["b_xy"]
        of_y = torch.cat([of_y[y], of_y[:, None].expand(-1, unlabelled, -1).reshape(rows, -1)])
        h = functional.softplus(linear(z, w["W_xz"].t()) + of_y)
        logits = dense(functional.softplus(dense(h, "x1")), "x2").float()
        free = logits[labelled:].reshape(p.CLASSES, unlabelled, -1)
        held = (x[:labelled] * logits[:labelled] - functional.softplus(logits[:labelled])).sum(-1)
        free = (x[labelled:] * free - functional.softplus(free)).sum(-1)
        log_prior = math.log(p.CLASSES)
        bounds = free - kl[labelled:].reshape(p.CLASSES, unlabelled) - log_prior
        log_q = log_qy[labelled:].t()
        free_bound = (torch.exp(log_q) * (bounds - log_q)).sum(0).mean()
        held_bound = held - kl[:labelled] - log_prior
        held_bound = held_bound + p.CLASSIFICATION_WEIGHT * log_qy[:labelled].gather(1, y[:, None])[:, 0]
        return -free_bound - held_bound.mean()
