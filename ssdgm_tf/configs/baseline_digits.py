"""A baseline on scikit-learn's 8x8 digits.

    ssdgm-train --config=baseline_digits:labels=30,seed=0 --workdir=runs/baseline_digits

--config.model= chooses it, see `ssdgm_tf.baselines.make`; --config.m1=m1_digits fits it on M1's features.
"""

from ssdgm_tf.configs.common import DIGITS, preset

get_config = preset(DIGITS, labels=30, own={"m1": ""}, model="label_spreading")
