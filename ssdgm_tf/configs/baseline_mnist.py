"""A baseline on MNIST.

    ssdgm-train --config=baseline_mnist:labels=100,seed=0 --workdir=runs/baseline_mnist

50,000 training images, the other 10,000 for validation. --config.model= chooses it, see `ssdgm_tf.baselines.make`;
--config.m1=m1_mnist fits it on M1's features.
"""

from ssdgm_tf.configs.common import MNIST, preset

get_config = preset(MNIST, labels=100, own={"m1": ""}, model="label_spreading")
