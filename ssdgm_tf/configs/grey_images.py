"""The recommended preset for small grey images, by default MNIST's: SDGM with a convolutional q(y|a,x) of moved images.

    ssdgm-train --config=grey_images:labels=100,seed=0 --workdir=runs/grey_images

Your own images: --config.data=folder:photos or another form that README.md lists; up to about 32x32 pixels. The epochs
follow from their number. q(y|a,x) learns from labels, from the bound, and from pseudo-labels for images of which a square is
hidden (FreeMatch); these need one device. Tuned on the validation error of MNIST with labels=100,seed=0; without the
pseudo-labels, and with 10,000 images for validation, it is `sdgm_conv_mnist`.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, preset

get_config = preset(
    CONVOLUTIONAL,
    data="mnist",
    labels=100,
    own={"auxiliary_dim": 5},
    supervision_rate=1 / 11,  # the labelled mean counts a tenth of the unlabelled one
    model="sdgm",
    latent_dim=5,
    consistency="free_match=2",
    labels_first_steps=1500,
    epochs=0,
    target_steps=5000,
)
