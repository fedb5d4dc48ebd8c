"""M1 on MNIST.

    ssdgm-train --config=m1_mnist:seed=0 --workdir=runs/m1_mnist

50,000 training images, the other 10,000 for validation. It sees no label: what it learns are features, which
`m1m2_mnist` and the baselines on M1 build on.

Measured on two CPU cores: 2.9 minutes, 3 runs. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (which it does not see) and `seed` (of the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    return model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        model="vae",
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=25,
    )
