"""M2 on MNIST.

    ssdgm-train --config=m2_mnist:labels=100,seed=0 --workdir=runs/m2_mnist

50,000 training images, the other 10,000 for validation. q(y|x) sees noisy pixels. Tuned on the validation error of
labels=100,seed=2.
"""

from ssdgm_tf.configs.common import MNIST, NOISY, preset

get_config = preset(
    MNIST, NOISY, labels=100, gamma_ratio=0.1, model="m2", hidden_units=(500,), learning_rate=0.004, epochs=50
)
