"""The PixelGAN autoencoder of Makhzani and Frey 2017 on MNIST.

    ssdgm-train --config=pixel_gan_mnist:labels=100,seed=0 --workdir=runs/pixel_gan_mnist

The adversarial autoencoder of `aae_mnist` with a small PixelCNN as its decoder, which leaves to the label and the style what
an image looks like as a whole. The paper's PixelCNN is deeper, and trained for days; this preset ends after 10 epochs.
"""

from ssdgm_tf.configs.common import ADVERSARIAL_MNIST, preset

get_config = preset(
    ADVERSARIAL_MNIST,
    labels=100,
    own={"adversary_weight": 10.0},
    gamma_ratio=1.0,
    likelihood="pixel_cnn",
    epochs=10,
)
