"""M2 on MNIST as Kingma et al. 2014 split it: 50,000 training images, the other 10,000 held out for validation.

    ssdgm-train --config=m2_mnist:labels=100,seed=0 --workdir=runs/m2_mnist

About 10 minutes on two CPU cores; results/README.md has the errors. Tuned on the validation error of labels=100,seed=0.
"""

from ssdgm_tf.configs.common import m2_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (a multiple of 10) and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    num_unlabelled = 50_000 - args.labels
    return m2_config(
        **args,
        data="mnist",
        num_validation=10_000,
        hidden_units=(500,),
        activation="relu",
        # A tenth of the weight at which the means of both streams count alike.
        gamma=0.1 * num_unlabelled / args.labels,
        learning_rate=4e-3,
        batch_size=200,
        epochs=55,
    )
