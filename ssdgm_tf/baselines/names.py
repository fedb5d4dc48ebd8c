"""The baselines by name."""

from collections.abc import Callable

import keras

from ssdgm_tf import choices, layers
from ssdgm_tf.baselines.adversarial import AdversarialNetwork
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.consistent_network import ConsistentNetwork
from ssdgm_tf.baselines.contractive import ContractiveNetwork, ManifoldTangentNetwork
from ssdgm_tf.baselines.label_graph import LabelGraph
from ssdgm_tf.baselines.ladder import Ladder
from ssdgm_tf.baselines.logistic_regression import LogisticRegression
from ssdgm_tf.baselines.nearest_neighbours import NearestNeighbours
from ssdgm_tf.baselines.network_classifier import NetworkClassifier
from ssdgm_tf.baselines.self_training import SelfTraining
from ssdgm_tf.baselines.support_vector_machine import SupportVectorMachine
from ssdgm_tf.baselines.transductive_svm import TransductiveSVM
from ssdgm_tf.baselines.trees import Boosting, Forest, SelfTrainingForest
from ssdgm_tf.layers.image_network import image_network

# {name: (num_classes, seed) -> baseline}
_MAKERS: dict[str, Callable[[int, int], Baseline]] = {
    "nearest_neighbours": lambda num_classes, seed: NearestNeighbours(),
    "linear_svm": lambda num_classes, seed: SupportVectorMachine("linear", seed),
    "rbf_svm": lambda num_classes, seed: SupportVectorMachine("rbf", seed),
    "logistic": lambda num_classes, seed: LogisticRegression(),
    "forest": lambda num_classes, seed: Forest(seed=seed),
    "boosting": lambda num_classes, seed: Boosting(seed=seed),
    "self_training": lambda num_classes, seed: SelfTraining(seed=seed),
    "self_training_forest": lambda num_classes, seed: SelfTrainingForest(seed=seed),
    "label_propagation": lambda num_classes, seed: LabelGraph("propagation"),
    "label_spreading": lambda num_classes, seed: LabelGraph("spreading"),
    "transductive_svm": lambda num_classes, seed: TransductiveSVM(seed=seed),
    "network": lambda num_classes, seed: NetworkClassifier(layers.MLP((500, 500)), num_classes, seed=seed),
    "convolutional_network": lambda num_classes, seed: NetworkClassifier(_convolutional(), num_classes, seed=seed),
    "fix_match": lambda num_classes, seed: ConsistentNetwork(image_network(seed=seed), num_classes, "views", seed=seed),
    "fix_match_colours": lambda num_classes, seed: ConsistentNetwork(
        image_network(colours=True, seed=seed), num_classes, "views", seed=seed
    ),
    "mean_teacher": lambda num_classes, seed: ConsistentNetwork(
        image_network(seed=seed), num_classes, "mean_teacher", seed=seed
    ),
    "virtual_adversarial": lambda num_classes, seed: ConsistentNetwork(
        layers.MLP((1200, 1200), normalization="batch"),
        num_classes,
        "virtual_adversarial,entropy,class_balance",
        learning_rate=2e-3,
        num_steps=6_000,
        batch_size=250,
        seed=seed,
    ),
    "contractive": lambda num_classes, seed: ContractiveNetwork(num_classes, seed=seed),
    "manifold_tangent": lambda num_classes, seed: ManifoldTangentNetwork(num_classes, seed=seed),
    "ladder": lambda num_classes, seed: Ladder(num_classes, seed=seed),
    "feature_matching": lambda num_classes, seed: _adversarial("feature_matching", num_classes, seed),
    "odena": lambda num_classes, seed: _adversarial("taken_for_real", num_classes, seed),
    "complement": lambda num_classes, seed: _adversarial("complement", num_classes, seed),
}

NAMES = tuple(_MAKERS)


def make(name: str, num_classes: int, seed: int) -> Baseline:
    """A baseline with settings that need no tuning.

    | name | baseline | learns from unlabelled examples |
    |---|---|---|
    | "nearest_neighbours" | `NearestNeighbours` | no |
    | "linear_svm", "rbf_svm" | `SupportVectorMachine` | no |
    | "logistic" | `LogisticRegression` | no |
    | "forest" | `Forest` | no |
    | "boosting" | `Boosting` | no |
    | "network" | `NetworkClassifier`: dense layers of 500 and 500 rectified units | no |
    | "convolutional_network" | `NetworkClassifier`: two convolutions and a dense layer, for images [N, H, W, C] | no |
    | "fix_match", "mean_teacher" | `ConsistentNetwork` with the network of `fast_mnist`, of images [N, H, W, C] | yes |
    | "fix_match_colours" | `ConsistentNetwork` with the network of `colour_images`, of images [N, H, W, C] | yes |
    | "virtual_adversarial" | `ConsistentNetwork`: 1200 and 1200 rectified units, batch normalisation, 6,000 steps | yes |
    | "contractive" | `ContractiveNetwork` (CAE, Rifai et al. 2011), for examples in [0, 1] | yes |
    | "manifold_tangent" | `ManifoldTangentNetwork` (MTC, Rifai et al. 2011), for examples in [0, 1] | yes |
    | "ladder" | `Ladder` (Rasmus et al. 2015) | yes |
    | "feature_matching" | `AdversarialNetwork` (Salimans et al. 2016), for examples in [0, 1] | yes |
    | "odena" | `AdversarialNetwork` (Odena 2016), likewise | yes |
    | "complement" | `AdversarialNetwork` (Dai et al. 2017 without its density), likewise | yes |
    | "self_training" | `SelfTraining` | yes |
    | "self_training_forest" | `SelfTrainingForest` | yes |
    | "label_propagation", "label_spreading" | `LabelGraph` | yes |
    | "transductive_svm" | `TransductiveSVM` with the RBF kernel | yes |

    "feature_matching", "odena" and "complement" take 30,000 steps, a sixth of those of Salimans et al. 2016.

    The networks of "fix_match" and "fix_match_colours" move both views, each in its own way. The strong view of the first
    hides a square and changes the colours of images of three channels; that of the second hides a square.

    Args:
        name: one of `NAMES`.
        num_classes: number of classes K, the outputs of a network; other baselines take the classes from the labels.
        seed: seed of everything that the baseline draws.

    Raises:
        ValueError: an unknown name.
    """
    choices.check("name", name, NAMES)
    return _MAKERS[name](num_classes, seed)


def _adversarial(game: str, num_classes: int, seed: int) -> Baseline:
    """A classifier against a generator, in a sixth of the steps of Salimans et al. 2016."""
    return AdversarialNetwork(num_classes, game, num_steps=30_000, seed=seed)


def _convolutional() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(padding="same"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.5),
        ]
    )
