"""SDGM, convolutional on small NORB (two npz files under --data_dir).

ssdgm-train --config=sdgm_norb:labels=1000,seed=0 --workdir=runs/sdgm_norb
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, photographs.SDGM, labels=1000, own={"auxiliary_dim": 20}, epochs=15)
