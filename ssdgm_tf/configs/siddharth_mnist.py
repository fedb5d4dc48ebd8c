"""M2 with a label inferred given the style (Siddharth et al. 2017) on MNIST.

    ssdgm-train --config=siddharth_mnist:labels=100,seed=0 --workdir=runs/siddharth_mnist

50,000 training images, the other 10,000 for validation. A small style and a wide likelihood: the style is inferred without
the label, and a large one would leave the label nothing to explain.

Measured on two CPU cores: 100 labels: error 12.65 ± 4.13 % in 5.1 minutes, 3 runs; 1000 labels: error 5.84 % in 3.5
minutes, 1 run. results/README.md has the tables.
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
        model="disentangled_vae",
        latent_dim=5,
        hidden_units=(500,),
        likelihood="normal",
        likelihood_scale=0.5,
        labelled_bound="importance",
        num_samples=2,
        learning_rate=0.002,
        epochs=24,
    )
    return relative_gamma(config, 0.1, num_training=50_000)
