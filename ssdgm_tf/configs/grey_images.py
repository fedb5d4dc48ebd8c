"""The recommended preset of small grey images, by default MNIST's: M2 whose q(y|x) learns from labels and pseudo-labels first.

    ssdgm-train --config=grey_images:labels=100,seed=0 --workdir=runs/grey_images

Your own images: --config.data=folder:photos or another form that README.md lists; up to about 32x32 pixels.

q(y|x) is convolutional, of images that are moved and bent. In the first half of the epochs it learns from the labels, and from
pseudo-labels for strong views of unlabelled images (FreeMatch); the other networks learn from the bound meanwhile. Then the
bound is let in: the decoder knows the classes by now, and corrects labels that are wrong. See docs/choosing_a_model.md.
"""

from ssdgm_tf.configs.common import CONVOLUTIONAL, MNIST, preset

get_config = preset(
    MNIST,
    CONVOLUTIONAL,
    labels=100,
    gamma_ratio=0.1,
    model="m2",
    latent_dim=10,
    filters=(16, 32, 64),
    bending=2.0,
    classification_weight=20.0,
    consistency="free_match=2",
    labels_first_steps=300,
    bound_delay_epochs=5,
    learning_rate=2e-3,
    batch_size=128,
    labelled_batch_size=50,
    epochs=10,
)
