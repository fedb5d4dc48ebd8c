"""M2 with a label inferred given the style (Siddharth et al. 2017), by a convolutional network, on MNIST.

    ssdgm-train --config=siddharth_conv_mnist:labels=100,seed=0 --workdir=runs/siddharth_conv_mnist

50,000 training images, the other 10,000 for validation. Like `fast_mnist`, it knows that pixels have places and that a digit
may move. Tuned on the validation error of labels=100,seed=2.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, MNIST, preset

get_config = preset(
    MNIST,
    CONVOLUTIONAL,
    labels=100,
    gamma_ratio=0.1,
    model="disentangled_vae",
    latent_dim=10,
    labelled_bound="importance",
    num_samples=2,
    classification_weight=50.0,  # the default of 28x28 images, which the records of its runs name
    epochs=16,
)
