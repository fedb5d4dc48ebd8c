import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.datasets import make_moons
from sklearn.svm import SVC, LinearSVC

from ssdgm_tf.baselines import RBFFeatures, TransductiveSVM, kernel_width, tsvm_objective


def problem(seed=0, classes=3):
    generator = np.random.default_rng(seed)
    labelled, unlabelled = generator.normal(size=(7, 4)), generator.normal(size=(20, 4))
    targets = np.where(np.arange(7)[:, None] % classes == np.arange(classes), 1.0, -1.0)
    return generator.normal(size=(4, classes)), labelled, targets, unlabelled, targets.mean(axis=0)


def test_the_objective_is_the_equation_summed_in_loops():
    weights, labelled, targets, unlabelled, bias = problem()
    expected = 0.0
    for k in range(3):
        expected += 0.5 * sum(w**2 for w in weights[:, k])
        expected += 2.0 * sum(
            max(0, 1 - t * (x @ weights[:, k] + bias[k])) ** 2 for x, t in zip(labelled, targets[:, k], strict=True)
        )
        expected += 0.7 * sum(np.exp(-3 * (x @ weights[:, k] + bias[k]) ** 2) for x in unlabelled)
    value, _ = tsvm_objective(weights, labelled, targets, unlabelled, bias, 2.0, 0.7)
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("penalties", [(2.0, 0.7), (2.0, 0.0), (1e-9, 3.0)])
def test_gradient_against_finite_differences(penalties):
    weights, *rest = problem()

    def part(index):
        return lambda flat: np.ravel(tsvm_objective(flat.reshape(4, 3), *rest, *penalties)[index])

    error = check_grad(lambda flat: part(0)(flat)[0], part(1), weights.ravel())
    assert error < 1e-4 * np.linalg.norm(part(1)(weights.ravel()))


def test_without_weight_of_the_unlabelled_it_is_the_linear_svm():
    """Balanced labels make b = 0; LinearSVC without intercept, with the same C, then has the same objective."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(60, 5)).astype(np.float32)
    y = np.full(60, -1)
    y[:20] = np.arange(20) % 2
    x[:20] += 0.7 * y[:20, None]
    tsvm = TransductiveSVM("linear", unlabelled_weight=0, max_iterations=500, tolerance=1e-12).fit(x, y)
    centred = (x - x[20:].mean(axis=0)).astype(np.float64)
    svm = LinearSVC(loss="squared_hinge", C=tsvm.penalty_, fit_intercept=False, tol=1e-10, max_iter=100000)
    svm.fit(centred[:20], y[:20])
    np.testing.assert_allclose(tsvm.bias_, 0)
    np.testing.assert_allclose(tsvm.weights_[:, 1], svm.coef_[0], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(tsvm.weights_[:, 0], -svm.coef_[0], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(tsvm.decision_function(x)[:, 1], svm.decision_function(centred), atol=0.01)


def blobs(seed=0):
    """Two long Gaussian blobs side by side; the two labels mislead about the direction of the gap."""
    generator = np.random.default_rng(seed)
    y_true = np.arange(400) % 2
    x = generator.normal(size=(400, 2)) * (0.25, 1.5) + np.stack([3.0 * y_true - 1.5, np.zeros(400)], axis=1)
    x[0], x[1] = (-1.5, -1.5), (1.5, 1.5)
    y = np.full(400, -1)
    y[:2] = 0, 1
    return x, y, y_true


def test_two_labels_and_a_gap_the_unlabelled_show_it():
    x, y, y_true = blobs()
    svm = SVC(kernel="linear", C=100).fit(x[:2], y[:2])
    assert svm.score(x, y_true) < 0.9
    assert TransductiveSVM("linear").fit(x, y).score(x, y_true) == 1
    assert TransductiveSVM("linear", unlabelled_weight=0).fit(x, y).score(x, y_true) < 0.95


def test_two_moons_with_the_kernel():
    x, y_true = make_moons(400, noise=0.1, random_state=0)
    y = np.full(400, -1)
    for label in (0, 1):
        y[np.flatnonzero(y_true == label)[0]] = label
    without = TransductiveSVM(unlabelled_weight=0).fit(x, y).score(x, y_true)
    assert without < 0.9
    assert TransductiveSVM().fit(x, y).score(x, y_true) > 0.98


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_balancing_constraint_holds(kernel):
    """mean_unlabelled f = mean_labelled y, for unbalanced labels of three classes too."""
    generator = np.random.default_rng(0)
    x = generator.normal(5.0, 2.0, size=(80, 3))
    y = np.full(80, -1)
    y[:8] = 0, 0, 0, 0, 1, 1, 2, 2
    tsvm = TransductiveSVM(kernel).fit(x, y)
    np.testing.assert_allclose(tsvm.decision_function(x[8:]).mean(axis=0), [0.0, -0.5, -0.5], atol=2e-5)


def test_scale_does_not_matter():
    x, y, _ = blobs(seed=3)
    small, large = (TransductiveSVM("linear", tolerance=1e-9, max_iterations=500).fit(scale * x, y) for scale in (1, 1024))
    np.testing.assert_allclose(small.decision_function(x), large.decision_function(1024 * x), rtol=0.01, atol=0.01)
    assert large.unlabelled_penalty_ == pytest.approx(large.penalty_ * 300 / 398)


def test_an_unlabelled_example_never_weighs_more_than_a_labelled_one():
    x, y, _ = blobs()
    tsvm = TransductiveSVM("linear", unlabelled_weight=1000).fit(x, y)
    assert tsvm.unlabelled_penalty_ == tsvm.penalty_


def test_all_labelled_is_an_svm():
    x, _, y_true = blobs()
    assert TransductiveSVM("linear").fit(x, y_true).score(x, y_true) == 1


def test_features_of_all_landmarks_give_the_kernel():
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    features = RBFFeatures(width=1.5, num_landmarks=100).fit(x).transform(x)
    kernel = np.exp(-np.sum((x[:, None] - x) ** 2, axis=-1) / (2 * 1.5**2))
    assert features.dtype == np.float32
    np.testing.assert_allclose(features @ features.T, kernel, atol=1e-4)


def test_kernel_width_is_a_quantile_of_the_distances():
    x = np.array([[0.0], [1.0], [3.0]])  # distances 1, 2, 3, of which the 1/40 quantile is 1 + 2/40
    assert kernel_width(x, num_classes=2, seed=0) == pytest.approx(1.05)
    assert kernel_width(np.zeros((3, 2)), num_classes=2, seed=0) == 1


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"kernel": "poly"}, "kernel must be one of .*Received: kernel='poly'"),
        ({"penalty": 0}, "penalty and width must be positive"),
        ({"width": -1.0}, "penalty and width must be positive"),
        ({"unlabelled_weight": -1}, "unlabelled_weight must not be negative"),
    ],
)
def test_refuses_parameters(parameters, rule):
    x, y, _ = blobs()
    with pytest.raises(ValueError, match=rule):
        TransductiveSVM(**parameters).fit(x, y)
