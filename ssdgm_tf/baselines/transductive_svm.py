"""The transductive support vector machine trained by gradient descent (Chapelle and Zien 2005, section 3)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from ssdgm_tf import choices
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.features import RBFFeatures, kernel_width
from ssdgm_tf.checks import UNLABELLED

KERNELS = ("rbf", "linear")


def tsvm_objective(
    weights: np.ndarray,
    labelled: np.ndarray,
    targets: np.ndarray,
    unlabelled: np.ndarray,
    bias: np.ndarray,
    penalty: float,
    unlabelled_penalty: float,
) -> tuple[float, np.ndarray]:
    """The objective of the transductive SVM, summed over K one-vs-rest problems, and its gradient.

        sum_k  1/2 |w_k|^2  +  C sum_labelled max(0, 1 - y_k f_k(x))^2  +  C* sum_unlabelled exp(-3 f_k(x)^2)

    with f_k(x) = w_k . x + b_k (Chapelle and Zien 2005, eq. 4, with the squared hinge and s = 3 of their code).

    Args:
        weights: w, [D, K].
        labelled: features of the labelled examples, [M, D].
        targets: y, 1 where an example is of class k and -1 elsewhere, [M, K].
        unlabelled: features of the unlabelled examples, [N, D].
        bias: b, [K], fixed.
        penalty: C.
        unlabelled_penalty: C*.

    Returns:
        The objective, and its gradient [D, K], float64. The matrix products have the dtype of the features.
    """
    w = weights.astype(labelled.dtype)
    slack = np.maximum(0, 1 - targets * (labelled @ w + bias))
    f = unlabelled @ w + bias
    hat = np.exp(-3 * f * f)
    value = (
        0.5 * np.sum(weights**2)
        + penalty * np.sum(slack**2, dtype=np.float64)
        + unlabelled_penalty * np.sum(hat, dtype=np.float64)
    )
    of_labelled = labelled.T @ (targets * slack)
    of_unlabelled = unlabelled.T @ (f * hat)
    gradient = weights - 2.0 * penalty * of_labelled - 6.0 * unlabelled_penalty * of_unlabelled
    return float(value), gradient


class TransductiveSVM(Baseline):
    """An SVM whose boundaries also avoid the unlabelled examples (Chapelle and Zien 2005, section 3).

        minimise  1/2 |w|^2 + C sum_labelled max(0, 1 - y f(x))^2 + C* sum_unlabelled exp(-3 f(x)^2),   f(x) = w . phi(x) + b
        such that mean_unlabelled f = mean_labelled y

    one problem per class against the rest. As in the paper, the features phi are centred on the unlabelled examples (on all
    where there are none) and b = mean_labelled y, so the constraint holds. The problem is not convex. It is solved along a
    path: C* doubles from 2^-num_doublings of its final value, and each solution starts the next. Here phi is a finite
    feature map and the method is L-BFGS on all classes at once, so the time is linear in the number of examples. The parts
    of the paper before section 3 (distances along a graph) are not implemented.

    The defaults were chosen on 10,000 held-out training images of MNIST, with 100 and 1000 labels.

    Args:
        kernel: "rbf", by `RBFFeatures`, or "linear".
        penalty: C, in units of 1 / (variance of the features, summed over them): the same for features of any scale.
        unlabelled_weight: N C* / C at the end of the path: the N unlabelled examples together weigh as much as this many
            labelled ones. At most N, so that an unlabelled example never weighs more than a labelled one (C* = C, as in the
            paper). 0 gives the ordinary SVM of the labelled examples, with b fixed.
        width: width of the RBF kernel, in the units of the examples; None for `kernel_width`.
        num_landmarks: number of features of the RBF kernel.
        num_doublings: number of doublings of C*.
        max_iterations: iterations of L-BFGS for each value of C*.
        tolerance: relative change of the objective at which L-BFGS stops.
        seed: seed of the landmarks, and of the examples on which the width is measured.

    Attributes:
        weights_: w of the centred features, [D, K].
        bias_: b, [K].
        penalty_: C as in the objective.
        unlabelled_penalty_: the final C*.
    """

    def __init__(
        self,
        kernel: str = "rbf",
        penalty: float = 10.0,
        unlabelled_weight: float = 300.0,
        width: float | None = None,
        num_landmarks: int = 1000,
        num_doublings: int = 10,
        max_iterations: int = 50,
        tolerance: float = 1e-5,
        seed: int = 0,
    ) -> None:
        self.kernel = kernel
        self.penalty = penalty
        self.unlabelled_weight = unlabelled_weight
        self.width = width
        self.num_landmarks = num_landmarks
        self.num_doublings = num_doublings
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        self._check_parameters()
        is_labelled = y != UNLABELLED
        x_unlabelled = x[~is_labelled]
        pool = x_unlabelled if len(x_unlabelled) else x
        if self.kernel == "rbf":
            width = self.width or kernel_width(x, len(self.classes_), self.seed)
            self._features = RBFFeatures(width, self.num_landmarks, self.seed).fit(x)
        unlabelled = self._mapped(pool)
        self._centre = unlabelled.mean(axis=0, dtype=np.float64).astype(np.float32)
        unlabelled = unlabelled - self._centre
        variance = np.sum(unlabelled**2, dtype=np.float64) / len(unlabelled)
        self.penalty_ = self.penalty / (variance or 1.0)
        self.unlabelled_penalty_ = self.penalty_ * min(1.0, self.unlabelled_weight / len(unlabelled))
        labelled = self._mapped(x[is_labelled]) - self._centre
        targets = np.where(y[is_labelled, np.newaxis] == self.classes_, 1, -1).astype(np.float32)
        self.bias_ = targets.mean(axis=0)
        self.weights_ = self._path(labelled, targets, unlabelled[: len(x_unlabelled)])

    def _path(self, labelled: np.ndarray, targets: np.ndarray, unlabelled: np.ndarray) -> np.ndarray:
        """The weights at the end of the path of C*."""
        shape = (labelled.shape[1], targets.shape[1])
        flat = np.zeros(shape[0] * shape[1])

        def objective(flat: np.ndarray, unlabelled_penalty: float) -> tuple[float, np.ndarray]:
            value, gradient = tsvm_objective(
                flat.reshape(shape), labelled, targets, unlabelled, self.bias_, self.penalty_, unlabelled_penalty
            )
            return value, gradient.ravel()

        if self.unlabelled_penalty_ == 0 or len(unlabelled) == 0:
            unlabelled, penalties = unlabelled[:0], [0.0]
        else:
            penalties = [self.unlabelled_penalty_ * 2.0**-i for i in range(self.num_doublings, -1, -1)]
        options = {"maxiter": self.max_iterations, "ftol": self.tolerance}
        for penalty in penalties:
            flat = minimize(objective, flat, args=(penalty,), method="L-BFGS-B", jac=True, options=options).x
        return flat.reshape(shape)

    def decision_function(self, x: ArrayLike) -> np.ndarray:
        """The values f(x) of each class against the rest, [N, K]; also with two classes.

        Args:
            x: examples [N, ...] of the shape seen in `fit`.
        """
        return self._in_blocks(self._decide, x)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._decide(x).argmax(axis=1)

    def _decide(self, x: np.ndarray) -> np.ndarray:
        return (self._mapped(x) - self._centre) @ self.weights_.astype(np.float32) + self.bias_

    def _mapped(self, x: np.ndarray) -> np.ndarray:
        return self._features.transform(x) if self.kernel == "rbf" else x

    def _check_parameters(self) -> None:
        choices.check("kernel", self.kernel, KERNELS)
        if self.penalty <= 0 or (self.width is not None and self.width <= 0):
            raise ValueError(f"penalty and width must be positive. Received: penalty={self.penalty!r}, width={self.width!r}")
        if self.unlabelled_weight < 0:
            raise ValueError(
                f"unlabelled_weight must not be negative. Received: unlabelled_weight={self.unlabelled_weight!r}"
            )
