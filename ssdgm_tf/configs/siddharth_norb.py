"""M2 with a label inferred given the style (Siddharth et al. 2017) on small NORB (two npz files under --data_dir).

ssdgm-train --config=siddharth_norb:labels=1000,seed=0 --workdir=runs/siddharth_norb
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, photographs.SIDDHARTH, labels=1000, epochs=15)
