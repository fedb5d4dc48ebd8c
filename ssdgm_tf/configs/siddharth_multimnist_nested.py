"""Multi-MNIST with a model of single digits inside, which says what digits they are (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_multimnist_nested:labels=1900,seed=0 --workdir=runs/multimnist_nested

The data of `siddharth_multimnist`. The digits are those of `fast_mnist` (M2, 100 labels), trained first in the run's
folder or given by `--digit_model=RUN`, and kept as they are; `--config.fine_tune` trains them further. No canvas says which
digits are on it.

Measured on two CPU cores: M2 of single digits nested, kept as it is, 1900 labels: count error 0.62 %, error of the
first digit 10.91 %, error of the second digit 15.04 %, error of the third digit 20.00 % in 16.5 minutes, 1 run; the
same, trained further, 1900 labels: count error 0.30 %, error of the first digit 13.68 %, error of the second digit
15.24 %, error of the third digit 15.44 % in 10.2 minutes, 1 run; M2 of single digits nested, kept as it is, 9500
labels: count error 0.98 %, error of the first digit 13.44 %, error of the second digit 20.56 %, error of the third
digit 24.56 % in 9.7 minutes, 1 run; M2 of single digits nested, kept as it is, all labels: count error 0.46 %, error
of the first digit 10.43 %, error of the second digit 16.04 %, error of the third digit 16.40 % in 10.7 minutes, 1 run.
results/README.md has the tables.
"""

from ssdgm_tf.configs.common import CANVASES, model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1900, seed=0)
    return model_config(
        **args,
        **CANVASES,
        labelled_twice=args.labels == 0,
        digit_model="fast_mnist",
    )
