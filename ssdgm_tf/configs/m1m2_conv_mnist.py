"""M1+M2 as one graph, with a convolutional q(y|x) of randomly moved images, on MNIST.

    ssdgm-train --config=m1m2_conv_mnist:labels=100,seed=0 --workdir=runs/m1m2_conv_mnist

50,000 training images, the other 10,000 for validation. All of it is trained end to end, without an M1 of its own; p(x|z1)
does not depend on y, so that summing classes costs next to nothing. As `fast_mnist`, it knows that pixels have places and
that a digit may move. Tuned on the validation error of labels=100,seed=2; with more labels, give
--config.classification_weight=50, for the default falls as they grow (results/tries.md, W1 to W4).

Measured on two CPU cores: 100 labels: error 2.06 ± 0.35 % in 6.3 minutes, 3 runs; 1000 labels: error 1.44 % in 8.7
minutes, 1 run. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, model_config, parse_arg, relative_gamma


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    config = model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        **CONVOLUTIONAL,
        model="m1m2",
        latent_dim=10,
        epochs=20,
    )
    return relative_gamma(config, 0.1, num_training=50_000)
