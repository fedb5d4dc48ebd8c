"""M2 on MNIST.

    ssdgm-train --config=m2_mnist:labels=100,seed=0 --workdir=runs/m2_mnist

50,000 training images, the other 10,000 for validation. q(y|x) sees noisy pixels. Tuned on the validation error of
labels=100,seed=2.

Measured on two CPU cores: 100 labels: error 6.64 ± 0.33 % in 9.5 minutes, 3 runs; 600 labels: error 3.51 % in 6.6
minutes, 1 run; 1000 labels: error 3.49 % in 8.5 minutes, 1 run; 3000 labels: error 3.44 % in 8.0 minutes, 1 run.
results/README.md has the tables.
"""

from ssdgm_tf.configs.common import NOISY, model_config, parse_arg, relative_gamma


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    config = model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        **NOISY,
        model="m2",
        hidden_units=(500,),
        learning_rate=0.004,
        epochs=50,
    )
    return relative_gamma(config, 0.1, num_training=50_000)
