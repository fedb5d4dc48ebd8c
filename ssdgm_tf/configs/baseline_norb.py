"""A baseline on small NORB (two npz files under --data_dir).

    ssdgm-train --config=baseline_norb:labels=1000,seed=0 --workdir=runs/baseline_norb

--config.model= chooses it, see `ssdgm_tf.baselines.make`; --config.m1=m1_norb fits it on M1's features.
"""

from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, labels=1000, own={"m1": ""}, model="label_spreading")
