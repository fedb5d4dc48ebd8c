"""M2 with a convolutional q(y|x) on your own photographs: the recommended start.

    ssdgm-train --config=m2_images:labels=0,seed=0 --config.data=folder:photos --workdir=runs/m2_images

photos/ has a folder of images for each class and one named unlabelled/; README.md has the other forms of --config.data.
labels=0 shows all labels. Images must have one size, up to about 64x64.
"""

from ssdgm_tf.configs.common import PHOTOGRAPHS, preset

get_config = preset(
    PHOTOGRAPHS,
    labels=0,
    data="folder:images",
    model="m2",
    latent_dim=20,
    prior="empirical",
    estimator=None,
    batch_size=100,
    epochs=40,
)
