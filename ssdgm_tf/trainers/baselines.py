"""What the same labels give without the unlabelled examples: the figures that a semi-supervised model must beat."""

import keras
import numpy as np
import tensorflow as tf
from sklearn.neighbors import KNeighborsClassifier

from ssdgm_tf import layers
from ssdgm_tf.trainers.callbacks import ProgressBar


def nearest_neighbour_error(x, y, x_test, y_test) -> float:
    """Test error of the nearest labelled example (scikit-learn, Euclidean), 0..1."""
    classifier = KNeighborsClassifier(n_neighbors=1).fit(x.reshape(len(x), -1), y)
    return float(1 - classifier.score(x_test.reshape(len(x_test), -1), y_test))


def labels_only_error(x, y, x_test, y_test, num_classes, hidden_units, activation, learning_rate, num_steps, seed) -> float:
    """Test error, 0..1, of the network of q(y|x) trained by cross-entropy on the labelled examples alone.

    Args:
        x: labelled images [M, ...].
        y: labels [M].
        x_test: test images.
        y_test: test labels.
        num_classes: number of classes K.
        hidden_units: of the network, as in the model.
        activation: of its hidden layers.
        learning_rate: of Adam, as in the model.
        num_steps: steps of Adam, each on 100 labelled examples (all of them where there are fewer).
        seed: of its weights.
    """
    keras.utils.set_random_seed(seed)
    network = keras.Sequential(
        [keras.layers.Flatten(), layers.MLP(hidden_units, activation), keras.layers.Dense(num_classes)]
    )
    network.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).repeat().batch(min(100, len(x)))
    network.fit(
        batches, steps_per_epoch=num_steps, verbose=0, callbacks=[ProgressBar("labels-only baseline")], shuffle=False
    )
    return float(np.mean(np.argmax(network.predict(x_test, verbose=0), axis=-1) != y_test))
