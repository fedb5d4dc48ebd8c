"""M1+M2 in two stages on MNIST.

    ssdgm-train --config=m1m2_mnist:labels=100,seed=0 --workdir=runs/m1m2_mnist

50,000 training images, the other 10,000 for validation. Trains `m1_mnist` in the run's folder first, or builds on a
run of it: --m1=FOLDER.

Measured on two CPU cores: 100 labels: error 9.82 % in 7.8 minutes, 1 run; 1000 labels: error 7.09 % in 7.8 minutes, 1
run. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg, relative_gamma


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    config = model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        model="m1m2",
        m1="m1_mnist",
        latent_dim=10,
        activation="softplus",
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=40,
    )
    return relative_gamma(config, 0.1, num_training=50_000)
