"""ADGM with a convolutional q(y|a,x) on SVHN (`svhn_cropped` of TFDS).

ssdgm-train --config=adgm_svhn:labels=1000,seed=0 --workdir=runs/adgm_svhn
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.ADGM, labels=1000, own={"auxiliary_dim": 20}, epochs=40)
