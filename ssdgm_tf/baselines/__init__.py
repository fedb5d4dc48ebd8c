"""What other methods make of the same labels and the same examples. scikit-learn's API; -1 for "no label"."""

from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.estimators import LabelGraph, NearestNeighbours, SelfTraining, SupportVectorMachine
from ssdgm_tf.baselines.features import RBFFeatures, kernel_width
from ssdgm_tf.baselines.names import make
from ssdgm_tf.baselines.network import NetworkClassifier
from ssdgm_tf.baselines.transductive_svm import TransductiveSVM, tsvm_objective

__all__ = [
    "Baseline",
    "LabelGraph",
    "NearestNeighbours",
    "NetworkClassifier",
    "RBFFeatures",
    "SelfTraining",
    "SupportVectorMachine",
    "TransductiveSVM",
    "kernel_width",
    "make",
    "tsvm_objective",
]
