"""M1+M2 as one graph, with a convolutional q(y|x) of randomly moved images, on MNIST.

    ssdgm-train --config=m1m2_conv_mnist:labels=100,seed=0 --workdir=runs/m1m2_conv_mnist

50,000 training images, the other 10,000 for validation. The graph is trained end to end, without a separate M1. p(x|z1)
does not depend on y, so that summing classes is cheap. Like `fast_mnist`, it knows that pixels have places and
that a digit may move. Tuned on the validation error of labels=100,seed=2.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, MNIST, preset

get_config = preset(
    MNIST,
    CONVOLUTIONAL,
    labels=100,
    own={"m1": "", "top_units": (500,)},
    gamma_ratio=0.1,
    model="m1m2",
    latent_dim=10,
    epochs=20,
)
