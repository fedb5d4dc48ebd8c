"""A baseline on a public table with 50 labels.

    ssdgm-train --config=baseline_tables:labels=50,seed=0 --config.data=tables:wine --data_dir=DATA --workdir=runs/wine

DATA/tables holds wine.csv and tables.json, which describes it. --config.model= chooses the baseline, see
`ssdgm_tf.baselines.make`.
"""

from ssdgm_tf.configs.common import preset

get_config = preset(labels=50, data="tables:wine", model="forest")
