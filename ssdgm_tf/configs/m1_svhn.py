"""M1 on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=m1_svhn:seed=0 --workdir=runs/m1_svhn

It sees no label. It learns features, which `m1m2_svhn` and the baselines on M1 build on.
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.M1, labels=1000, epochs=30)
