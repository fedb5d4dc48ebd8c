"""M2 with a convolutional q(y|x) on small NORB (two npz files under --data_dir).

ssdgm-train --config=m2_norb:labels=1000,seed=0 --workdir=runs/m2_norb
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, photographs.M2, labels=1000, epochs=15)
