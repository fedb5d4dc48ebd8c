"""Types of single cells from 10 labels a class, M2 with negative binomial counts: python examples/cells.py FILE [SEED]."""

import sys

import keras
import numpy as np
from scipy import sparse, stats

import ssdgm_tf as ssdgm


def classify(cells, seed=0, steps=300):
    """Predicted classes of the 30 % that are held out; and the indices of these, of the others, and of those labelled."""
    test, train = np.split(np.random.default_rng(seed).permutation(len(cells.y)), [round(0.3 * len(cells.y))])
    labelled = np.concatenate([train[cells.y[train] == k][:10] for k in range(len(cells.class_names))])
    size = np.maximum(np.asarray(cells.counts.sum(axis=1)), 1)
    counts = cells.counts[:, np.asarray((cells.counts[train] > 0).mean(axis=0)).ravel() >= 0.01].toarray()
    x = {"x": counts, "size": size / size.mean()}
    shown = np.log1p(1e4 * counts[train] / np.maximum(counts[train].sum(axis=1, keepdims=True), 1))  # as networks see them
    _, scales, axes = sparse.linalg.svds(shown, min(200, *(n - 1 for n in shown.shape)), random_state=0)
    axes = stats.ortho_group.rvs(len(axes), random_state=0) @ axes  # so that Adam's steps are as large along each
    components = keras.layers.Dense(len(axes), use_bias=False, trainable=False)
    components.build(shown.shape)
    components.set_weights([10 * axes.T * np.sqrt(len(train)) / np.linalg.norm(scales)])
    few = keras.layers.Dense(64, kernel_initializer="zeros", kernel_regularizer=keras.regularizers.L2(0.5))
    head = ssdgm.layers.NegativeBinomialNode(None, target_sum=1e4, shared_concentration=True)
    options = {"likelihood": head, "exposure": "size", "estimator": "top_k", "hidden_units": (64,), "activation": "relu"}
    options |= {"classifier": keras.Sequential([components, few]), "encoder": components, "seed": seed}
    model = ssdgm.models.M2(len(cells.class_names), latent_dim=10, **options)
    rate, epochs = keras.optimizers.schedules.CosineDecay(5e-3, steps), max(1, round(100 * steps / len(train)))
    model.compile(keras.optimizers.Adam(rate), gamma=10, classification_weight=1500)
    y = np.where(np.isin(train, labelled), cells.y[train], -1)
    model.fit({name: value[train] for name, value in x.items()}, y, batch_size=100, epochs=epochs, verbose=0)
    return model.predict({name: value[test] for name, value in x.items()}, verbose=0).argmax(axis=1), test, train, labelled


if __name__ == "__main__":
    predicted, test, *_ = classify(cells := ssdgm.data.load_cells(sys.argv[1]), seed=int((*sys.argv[2:], 0)[0]))
    print(f"accuracy {(predicted == cells.y[test]).mean():.3f} on {len(test)} cells")
