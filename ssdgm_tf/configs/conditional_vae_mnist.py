"""The conditional VAE on MNIST: p(x|y,z) and q(z|x,y), every label given.

    ssdgm-train --config=conditional_vae_mnist:seed=0 --workdir=runs/conditional_vae_mnist

50,000 training images, the other 10,000 for validation. It does not classify: its figures are bounds, and images of
each class in the style of others.
"""

from ssdgm_tf.configs.common import MNIST, preset

get_config = preset(
    MNIST,
    labels=0,
    model="conditional_vae",
    latent_dim=20,
    hidden_units=(500,),
    activation="relu",
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    labelled_batch_size=200,
    batch_size=200,
    epochs=10,
)
