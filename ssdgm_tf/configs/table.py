"""A table with gaps: its columns are found, some rows have targets, which are classes or numbers.

    ssdgm-train --config=table --config.data=csv:loans.csv --config.target=status --workdir=runs/loans

--config.data may be csv:TRAIN,TEST or parquet:FILE. An empty target is no label. Several targets are separated by commas.
--config.labels=30 shows the targets of 30 rows; 0 shows all. --config.epochs=0 chooses them by the number of rows.
"""

from ssdgm_tf.configs.common import preset

get_config = preset(
    labels=0,
    data="csv:table.csv",
    preprocessing="none",
    model="table",
    latent_dim=8,
    hidden_units=(48,),
    activation="relu",
    prior="learned",
    dropout=0.2,
    learning_rate=1e-2,
    learning_rate_schedule="cosine",
    batch_size=64,
    labelled_batch_size=64,
    epochs=0,
)
