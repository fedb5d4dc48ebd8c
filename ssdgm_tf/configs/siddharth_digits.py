"""M2 with a label inferred given the style (Siddharth et al. 2017) on scikit-learn's 8x8 digits.

ssdgm-train --config=siddharth_digits:labels=30,seed=0 --workdir=runs/siddharth_digits
"""

from ssdgm_tf.configs.common import FEW_DIGITS, preset

get_config = preset(
    FEW_DIGITS, labels=30, model="disentangled_vae", latent_dim=10, labelled_bound="importance", num_samples=2
)
