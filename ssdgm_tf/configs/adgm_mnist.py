"""ADGM on MNIST.

    ssdgm-train --config=adgm_mnist:labels=100,seed=0 --workdir=runs/adgm_mnist

50,000 training images, the other 10,000 for validation.
"""

from ssdgm_tf.configs.common import MNIST, NOISY, preset

get_config = preset(
    MNIST,
    NOISY,
    labels=100,
    own={"auxiliary_dim": 50},
    gamma_ratio=0.1,
    model="adgm",
    normalization="batch",
    learning_rate=0.001,
    epochs=20,
)
