"""A baseline on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=baseline_svhn:labels=1000,seed=0 --workdir=runs/baseline_svhn

--config.model= names it, see `ssdgm_tf.baselines.make`; --config.m1=m1_svhn fits it on M1's features.

Measured on two CPU cores: nearest neighbours, 1000 labels of the re-crop: error 78.79 % in 0.0 minutes, 1 run; linear
SVM, 1000 labels of the re-crop: error 84.12 % in 0.4 minutes, 1 run; SVM (RBF), 1000 labels of the re-crop: error
69.16 % in 2.0 minutes, 1 run; self-training, 1000 labels of the re-crop: error 71.41 % in 0.2 minutes, 1 run; label
spreading, 1000 labels of the re-crop: error 78.79 % in 0.0 minutes, 1 run; transductive SVM, 1000 labels of the
re-crop: error 67.83 % in 0.2 minutes, 1 run; dense network, labels only, 1000 labels of the re-crop: error 47.80 % in
0.7 minutes, 1 run; convolutional network, labels only, 1000 labels of the re-crop: error 31.86 % in 1.7 minutes, 1
run; M1 + nearest neighbours, 1000 labels of the re-crop: error 87.76 % in 0.5 minutes, 1 run; M1 + SVM (RBF), 1000
labels of the re-crop: error 81.92 % in 0.7 minutes, 1 run; M1 + transductive SVM, 1000 labels of the re-crop: error
87.04 % in 0.9 minutes, 1 run. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="svhn_cropped",
        model="label_spreading",
    )
