"""The recommended preset for colour images, by default SVHN's: M2 with a convolutional q(y|x) of images in other colours.

    ssdgm-train --config=colour_images:labels=1000,seed=0 --workdir=runs/colour_images

Your own images: --config=colour_images:labels=0 --config.data=folder:photos, which has a folder of images for each class and
one named unlabelled/; README.md has the other forms of --config.data. labels=0 shows all labels. Images must have one size,
up to about 64x64; --config.resize=32x32 gives them one. The epochs follow from the number of images.

q(y|x) sees images moved, in other saturation and contrast, a fifth of them inverted. It learns from labels, from the bound,
and from pseudo-labels for images of which a square is hidden (FreeMatch); these need one device.
"""

from ssdgm_tf.configs.common import PHOTOGRAPHS, SVHN, preset

get_config = preset(
    PHOTOGRAPHS,
    SVHN,
    labels=1000,
    model="m2",
    latent_dim=20,
    prior="empirical",
    colours=True,
    consistency="free_match=150",
    epochs=0,
    target_steps=3000,
)
