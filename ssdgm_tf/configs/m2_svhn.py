"""M2 with a convolutional q(y|x) on SVHN (`svhn_cropped` of TFDS).

ssdgm-train --config=m2_svhn:labels=1000,seed=0 --workdir=runs/m2_svhn
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.M2, labels=1000, epochs=40)
