"""The adversarial autoencoder of Makhzani et al. 2016 on MNIST, dense.

    ssdgm-train --config=aae_mnist:labels=100,seed=0 --workdir=runs/aae_mnist

50,000 training images, the other 10,000 for validation. As in the paper, networks have 1000 and 1000 units,
the style has 10, and q(y|x) sees pixels with noise of 0.3. The paper trained for 5,000 epochs; this preset ends after 40.
"""

from ssdgm_tf.configs.common import ADVERSARIAL_MNIST, preset

get_config = preset(
    ADVERSARIAL_MNIST,
    labels=100,
    own={"adversary_weight": 10.0},
    gamma_ratio=1.0,
    epochs=40,
)
