"""Classifiers of scikit-learn as baselines, with settings that hold from a few labels to thousands."""

import warnings
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from ssdgm_tf.baselines.baseline import UNLABELLED, Baseline, smallest_class
from ssdgm_tf.baselines.features import RBFFeatures, kernel_width

GRAPH_METHODS = ("propagation", "spreading")
SVM_KERNELS = ("linear", "rbf")


class NearestNeighbours(Baseline):
    """The nearest labelled examples (Euclidean) vote.

    Args:
        num_neighbours: how many; None for 1 where a class has fewer than 10 labelled examples, else 3. Several vote with
            weight 1 / distance.
    """

    def __init__(self, num_neighbours: int | None = None):
        self.num_neighbours = num_neighbours

    def _fit(self, x, y):
        shown = y != UNLABELLED
        count = self.num_neighbours or (1 if smallest_class(y[shown]) < 10 else 3)
        self._classifier = KNeighborsClassifier(count, weights="distance")
        self._classifier.fit(x[shown], np.searchsorted(self.classes_, y[shown]))

    def _predict(self, x):
        return self._classifier.predict(x)


class SupportVectorMachine(Baseline):
    """scikit-learn's SVC on the labelled examples alone.

    Examples are centred and divided by one number, their root-mean-square norm. Features are not scaled one by one: that
    would blow up the border pixels of an image, or a latent variable that a model does not use, to the size of the others.

    Where every class has 5 labelled examples or more, C and the kernel's gamma are those of the best cross-validated
    accuracy on them (5 folds), else C = 100 and gamma = 1.

    Args:
        kernel: "linear" or "rbf".
        seed: of the folds.
    """

    def __init__(self, kernel: str = "rbf", seed: int = 0):
        self.kernel = kernel
        self.seed = seed

    def _fit(self, x, y):
        if self.kernel not in SVM_KERNELS:
            raise ValueError(f"kernel must be one of {SVM_KERNELS}. Received: kernel={self.kernel!r}")
        shown = y != UNLABELLED
        x, y = x[shown], np.searchsorted(self.classes_, y[shown])
        self._centre = x.mean(axis=0)
        self._norm = float(np.sqrt(np.mean(np.sum((x - self._centre) ** 2, axis=1)))) or 1.0
        self._classifier = SVC(kernel=self.kernel, C=100.0, gamma=1.0)
        if smallest_class(y) >= 5:
            grid = {"C": [1, 10, 100, 1000]} | ({"gamma": [0.25, 0.5, 1, 2, 4]} if self.kernel == "rbf" else {})
            folds = StratifiedKFold(5, shuffle=True, random_state=self.seed)
            self._classifier = GridSearchCV(self._classifier, grid, cv=folds)
        self._classifier.fit(self._scaled(x), y)

    def _predict(self, x):
        return self._classifier.predict(self._scaled(x))

    def _scaled(self, x):
        return (x - self._centre) / self._norm


class SelfTraining(Baseline):
    """Logistic regression on RBF features that labels what it is sure of and learns from that too, ten times over.

    scikit-learn's SelfTrainingClassifier. The features are those of `TransductiveSVM`. Classes are weighted to count alike:
    otherwise those that are easy take over with the labels that they give out.

    Args:
        threshold: the probability from which a predicted label is believed.
        num_landmarks: features of the RBF kernel.
        seed: of the features.
    """

    def __init__(self, threshold: float = 0.95, num_landmarks: int = 500, seed: int = 0):
        self.threshold = threshold
        self.num_landmarks = num_landmarks
        self.seed = seed

    def _fit(self, x, y):
        features = RBFFeatures(kernel_width(x, len(self.classes_), self.seed), self.num_landmarks, self.seed).fit(x)
        classifier = LogisticRegression(C=100.0, max_iter=100, class_weight="balanced")
        if np.any(y == UNLABELLED):
            classifier = SelfTrainingClassifier(classifier, threshold=self.threshold, max_iter=10)
        positions = np.where(y == UNLABELLED, UNLABELLED, np.searchsorted(self.classes_, y))
        with warnings.catch_warnings():
            # A regression cut short is as good a step of self-training as one that converged.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features.transform(x), positions)
        self._classifier = make_pipeline(features, classifier)

    def _predict(self, x):
        return self._classifier.predict(x)


class LabelGraph(Baseline):
    """Labels spread along the graph of nearest neighbours: scikit-learn's LabelPropagation or LabelSpreading.

    The graph joins two examples where either is among the nearest of the other. scikit-learn's own kernel="knn" is directed
    and joins each example to itself, which on images with few labels makes far more errors. Memory and the time of a sweep
    are linear in the number of examples, the search for neighbours is quadratic.

    An example that the graph connects with no labelled one gets the label of the nearest labelled example. A new example
    gets the mean of its nearest ones.

    Args:
        method: "propagation" (Zhu and Ghahramani 2002: labels given are kept) or "spreading" (Zhou et al. 2004: they are
            weighed against the neighbours').
        num_neighbours: of each example in the graph, at most all the others.
        alpha: of "spreading", how much the neighbours count against the label given, in (0, 1).
    """

    def __init__(self, method: str = "spreading", num_neighbours: int = 7, alpha: float = 0.9):
        self.method = method
        self.num_neighbours = num_neighbours
        self.alpha = alpha

    def _fit(self, x, y):
        if self.method not in GRAPH_METHODS:
            raise ValueError(f"method must be one of {GRAPH_METHODS}. Received: method={self.method!r}")
        shown = y != UNLABELLED
        positions = np.where(shown, np.searchsorted(self.classes_, y), UNLABELLED)
        kernel = partial(neighbour_graph, num_neighbours=min(self.num_neighbours, len(x) - 1))
        self._graph = LabelPropagation(kernel, max_iter=1000)
        if self.method == "spreading":
            self._graph = LabelSpreading(kernel, alpha=self.alpha, max_iter=1000)
        self._nearest = KNeighborsClassifier(1).fit(x[shown], positions[shown])
        with warnings.catch_warnings():
            # Its tolerance is on the sum over all examples, which few large sets reach though no label changes any more.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._graph.fit(x, positions)

    def _predict(self, x):
        with np.errstate(invalid="ignore"):
            probabilities = self._graph.predict_proba(x)  # 0 / 0 where no label came
        unreached = np.isnan(probabilities).any(axis=1)
        predicted = np.nan_to_num(probabilities).argmax(axis=1)
        if unreached.any():
            predicted[unreached] = self._nearest.predict(x[unreached])
        return predicted


def neighbour_graph(x: np.ndarray, x_new: np.ndarray, num_neighbours: int):
    """Which examples are neighbours, as a kernel of scikit-learn's graph methods.

    Args:
        x: examples [N, D].
        x_new: the same array, or new examples [B, D].
        num_neighbours: how many nearest examples count.

    Returns:
        A sparse matrix of ones: [N, N], where i is among the nearest of j or j among those of i; or [N, B], where i is
        among the nearest of the new j.
    """
    search = NearestNeighbors(n_neighbors=num_neighbours).fit(x)
    if x is x_new:
        directed = search.kneighbors_graph()
        return directed.maximum(directed.T)
    return search.kneighbors_graph(x_new).T.tocsr()
