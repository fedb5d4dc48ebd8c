"""Other methods for the same examples and labels, to compare models with. scikit-learn's API; -1 for "no label"."""

from ssdgm_tf.baselines.adversarial import AdversarialClassifier, AdversarialNetwork
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.consistent_network import ConsistentClassifier, ConsistentNetwork
from ssdgm_tf.baselines.contractive import (
    ContractiveAutoencoder,
    ContractiveNetwork,
    ManifoldTangentNetwork,
    TangentClassifier,
)
from ssdgm_tf.baselines.features import RBFFeatures, kernel_width
from ssdgm_tf.baselines.filled_table import FilledTable
from ssdgm_tf.baselines.label_graph import LabelGraph, spread_labels
from ssdgm_tf.baselines.ladder import Ladder, LadderClassifier
from ssdgm_tf.baselines.logistic_regression import LogisticRegression
from ssdgm_tf.baselines.names import make
from ssdgm_tf.baselines.nearest_neighbours import NearestNeighbours
from ssdgm_tf.baselines.network_classifier import NetworkClassifier
from ssdgm_tf.baselines.self_training import SelfTraining
from ssdgm_tf.baselines.support_vector_machine import SupportVectorMachine
from ssdgm_tf.baselines.transductive_svm import TransductiveSVM, tsvm_objective
from ssdgm_tf.baselines.trees import Boosting, Forest, SelfTrainingForest

__all__ = [
    "AdversarialClassifier",
    "AdversarialNetwork",
    "Baseline",
    "Boosting",
    "ConsistentClassifier",
    "ConsistentNetwork",
    "ContractiveAutoencoder",
    "ContractiveNetwork",
    "FilledTable",
    "Forest",
    "LabelGraph",
    "Ladder",
    "LadderClassifier",
    "LogisticRegression",
    "ManifoldTangentNetwork",
    "NearestNeighbours",
    "NetworkClassifier",
    "RBFFeatures",
    "SelfTraining",
    "SelfTrainingForest",
    "SupportVectorMachine",
    "TangentClassifier",
    "TransductiveSVM",
    "kernel_width",
    "make",
    "spread_labels",
    "tsvm_objective",
]
