"""M1 on MNIST.

    ssdgm-train --config=m1_mnist:seed=0 --workdir=runs/m1_mnist

50,000 training images, the other 10,000 for validation. It sees no label: what it learns are features, which
`m1m2_mnist` and the baselines on M1 build on.
"""

from ssdgm_tf.configs.common import MNIST, preset

get_config = preset(
    MNIST, labels=100, model="vae", learning_rate=0.002, learning_rate_schedule="cosine", batch_size=200, epochs=25
)
