"""M1+M2 in two stages on MNIST.

    ssdgm-train --config=m1m2_mnist:labels=100,seed=0 --workdir=runs/m1m2_mnist

50,000 training images, the other 10,000 for validation. Trains `m1_mnist` in the run's folder first, or builds on a
run of it: --part=FOLDER.
"""

from ssdgm_tf.configs.common import MNIST, preset

get_config = preset(
    MNIST,
    labels=100,
    own={"m1": "m1_mnist", "top_units": (500,)},
    gamma_ratio=0.1,
    model="m1m2",
    latent_dim=10,
    learning_rate=0.002,
    learning_rate_schedule="cosine",
    batch_size=200,
    epochs=40,
)
