"""M1+M2 in two stages on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=m1m2_svhn:labels=1000,seed=0 --workdir=runs/m1m2_svhn

Trains `m1_svhn` in the run's folder first, or builds on a run of it: --part=FOLDER.
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import SVHN, preset

get_config = preset(SVHN, photographs.M1M2, labels=1000, own={"m1": "m1_svhn", "top_units": (500,)}, epochs=60)
