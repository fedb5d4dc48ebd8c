"""SDGM with a convolutional q(y|a,x) of randomly moved images on MNIST.

    ssdgm-train --config=sdgm_conv_mnist:labels=100,seed=0 --workdir=runs/sdgm_conv_mnist

50,000 training images, the other 10,000 for validation. Like `fast_mnist`, it knows that pixels have places and that a
digit may move. Tuned on the validation error of labels=100,seed=2.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, MNIST, preset

get_config = preset(
    MNIST,
    CONVOLUTIONAL,
    labels=100,
    own={"auxiliary_dim": 5},
    gamma_ratio=0.1,
    model="sdgm",
    latent_dim=5,
    labels_first_steps=1500,
    epochs=20,
)
