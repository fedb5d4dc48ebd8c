"""The recommended preset for vectors, by default MNIST's pixels: M2 with dense networks and virtual adversarial training.

    ssdgm-train --config=vectors:labels=100,seed=0 --workdir=runs/vectors

It knows nothing of places: images are vectors to it. Your own vectors: --config.data=npz:FILE or another form that README.md
lists; they are standardised. The epochs follow from their number. Before the first epoch labels spread to other examples
along a graph of neighbours, and q(y|x) starts from these. Then it learns from the given labels, from the bound, from moves
in the worst direction (virtual adversarial training), and from being made sure (`entropy`). Tuned on the validation error of
MNIST with labels=100,seed=0.
"""

from ssdgm_tf.configs.common import preset

get_config = preset(
    data="mnist",
    labels=100,
    model="m2",
    latent_dim=10,
    hidden_units=(300,),
    activation="relu",
    normalization="batch",
    classifier_units=(1200, 1200),
    likelihood="normal",
    likelihood_scale=0.5,
    estimator="top_k",
    supervision_rate=1 / 11,  # the labelled mean counts a tenth of the unlabelled one
    classification_weight=50.0,
    consistency="virtual_adversarial=5,entropy=5",
    labels_first_steps=400,
    labels_spread=True,
    learning_rate=2e-3,
    learning_rate_schedule="cosine",
    batch_size=250,
    epochs=0,
    target_steps=4_000,
)
