"""M2 with a label inferred given the style (Siddharth et al. 2017) on MNIST.

    ssdgm-train --config=siddharth_mnist:labels=100,seed=0 --workdir=runs/siddharth_mnist

50,000 training images, the other 10,000 for validation. A small style and a wide likelihood: the style is inferred without
the label, and a large style would leave the label nothing to explain.
"""

from ssdgm_tf.configs.common import MNIST, NOISY, preset

get_config = preset(
    MNIST,
    NOISY,
    labels=100,
    gamma_ratio=0.1,
    model="disentangled_vae",
    latent_dim=5,
    hidden_units=(500,),
    likelihood="normal",
    likelihood_scale=0.5,
    labelled_bound="importance",
    num_samples=2,
    learning_rate=0.002,
    epochs=24,
)
