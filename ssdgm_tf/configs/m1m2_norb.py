"""M1+M2 in two stages on small NORB (two npz files under --data_dir).

    ssdgm-train --config=m1m2_norb:labels=1000,seed=0 --workdir=runs/m1m2_norb

Trains `m1_norb` in the run's folder first, or builds on a run of it: --part=FOLDER.
"""

from ssdgm_tf.configs import photographs
from ssdgm_tf.configs.common import NORB, preset

get_config = preset(NORB, photographs.M1M2, labels=1000, own={"m1": "m1_norb", "top_units": (500,)}, epochs=30)
