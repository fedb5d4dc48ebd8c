"""M2 with a label inferred given the style (Siddharth et al. 2017) on SVHN (`svhn_cropped` of TFDS).

ssdgm-train --config=siddharth_svhn:labels=1000,seed=0 --workdir=runs/siddharth_svhn
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.SIDDHARTH, labels=1000, epochs=40)
