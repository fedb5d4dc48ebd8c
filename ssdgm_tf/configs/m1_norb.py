"""M1 on small NORB (two npz files under --data_dir).

    ssdgm-train --config=m1_norb:seed=0 --workdir=runs/m1_norb

It sees no label. It learns features, which `m1m2_norb` and the baselines on M1 build on.
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, photographs.M1, labels=1000, epochs=20)
