"""A baseline on MNIST.

    ssdgm-train --config=baseline_mnist:labels=100,seed=0 --workdir=runs/baseline_mnist

50,000 training images, the other 10,000 for validation. --config.model= names it, see `ssdgm_tf.baselines.make`;
--config.m1=m1_mnist fits it on M1's features.

Measured on two CPU cores: nearest neighbours, 100 labels: error 28.58 ± 1.46 % in 0.0 minutes, 3 runs; linear SVM, 100
labels: error 23.64 ± 2.17 % in 0.0 minutes, 3 runs; SVM (RBF), 100 labels: error 23.52 ± 2.42 % in 0.0 minutes, 3
runs; self-training, 100 labels: error 18.31 % in 0.8 minutes, 1 run; label spreading, 100 labels: error 7.18 % in 1.1
minutes, 1 run; transductive SVM, 100 labels: error 15.52 % in 0.9 minutes, 1 run; dense network, labels only, 100
labels: error 22.35 % in 0.4 minutes, 1 run; convolutional network, labels only, 100 labels: error 13.33 % in 1.4
minutes, 1 run; M1 + nearest neighbours, 100 labels: error 24.39 ± 3.45 % in 2.8 minutes, 3 runs; M1 + SVM (RBF), 100
labels: error 18.04 ± 1.13 % in 2.8 minutes, 3 runs; M1 + transductive SVM, 100 labels: error 8.30 ± 1.67 % in 3.5
minutes, 3 runs; M1 + nearest neighbours, 600 labels: error 11.77 % in 2.5 minutes, 1 run; M1 + transductive SVM, 600
labels: error 6.00 % in 3.4 minutes, 1 run; M1 + transductive SVM, 1000 labels: error 4.65 % in 3.1 minutes, 1 run; M1
+ nearest neighbours, 3000 labels: error 6.73 % in 2.5 minutes, 1 run; M1 + transductive SVM, 3000 labels: error 4.47 %
in 3.1 minutes, 1 run. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    return model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        model="label_spreading",
    )
