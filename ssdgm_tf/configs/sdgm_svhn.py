"""SDGM, convolutional on SVHN (`svhn_cropped` of TFDS).

ssdgm-train --config=sdgm_svhn:labels=1000,seed=0 --workdir=runs/sdgm_svhn
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.SDGM, labels=1000, own={"auxiliary_dim": 20}, epochs=40)
