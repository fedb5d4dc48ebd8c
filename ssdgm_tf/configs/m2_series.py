"""M2 on time series with gaps: the power demand of 1,096 days in Italy (UCR), winter or summer, with 10 labels.

    ssdgm-train --config=m2_series:labels=10,seed=0 --workdir=runs/power --data_dir=data

Your own series, [N, T] or [N, T, C]: --config.data=series:FILE.npz. NaN is a gap. --config.classifier=recurrent and
--config.encoder=recurrent take a recurrent network in place of a convolutional one.
"""

from ssdgm_tf.configs.common import preset

get_config = preset(
    labels=10,
    data="series:ucr/ItalyPowerDemand.npz,pooled",
    preprocessing="auto",
    model="m2",
    likelihood="normal",
    likelihood_scale=None,
    latent_dim=8,
    hidden_units=(100,),
    activation="relu",
    classifier="convolutional",
    encoder="convolutional",
    decoder="convolutional",
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    batch_size=64,
    labelled_batch_size=64,
    epochs=80,
)
