"""A baseline on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=baseline_svhn:labels=1000,seed=0 --workdir=runs/baseline_svhn

--config.model= chooses it, see `ssdgm_tf.baselines.make`; --config.m1=m1_svhn fits it on M1's features.
"""

from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, labels=1000, own={"m1": ""}, model="label_spreading")
