"""The quick preset: M2 with a convolutional q(y|x) of randomly moved images on MNIST.

    ssdgm-train --config=fast_mnist:labels=100,seed=0 --workdir=runs/fast_mnist

50,000 training images, the other 10,000 for validation. It knows that pixels have places and that a digit may move,
which the papers' dense models do not. The likelihood is wide, so that the label is inferred from the large features of an
image. Tuned on the validation error of labels=100,seed=2.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, MNIST, preset

get_config = preset(
    MNIST,
    CONVOLUTIONAL,
    labels=100,
    gamma_ratio=0.1,
    model="m2",
    latent_dim=10,
    classification_weight=50.0,  # the default of 28x28 images, which the records of its runs name
    epochs=12,
)
