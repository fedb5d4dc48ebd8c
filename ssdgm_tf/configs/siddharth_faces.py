"""Faces of the Extended Yale Face Database B: who it is, and where the light comes from (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_faces:labels=646,seed=0 --data_dir=DATA --workdir=runs/faces

DATA holds yaleb_48x42.npz, with images `x`, identities `y`, `azimuth_deg` and `elevation_deg` of the cropped faces at 48x42.
A fifth is held out for the test; of the other 1,932, 646 are a third, 0 is all. `--config.supervised=identity`, or
`lighting`, shows one kind of label alone.

A small style and a wide likelihood: a style of 16 numbers, or a narrow likelihood, carries the light itself, and a face is
then lit as it was wherever its light is put. The labels say where the lamps of the studio are, and every other image is lit
by one of them too: that is the prior of the lighting, let in slowly.
"""

from ml_collections import ConfigDict, config_dict

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """Arguments: `labels` and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=646, seed=0)
    # Of labels alone there is nothing to learn from where the lamps are.
    lamps = {"warmup_epochs": 20, "epochs": 80} if args.labels else {"epochs": 40}
    return model_config(
        own={"lamp_concentration": 5000.0 if args.labels else config_dict.placeholder(float)},
        **args,
        **lamps,
        data="faces:yaleb_48x42.npz",
        model="faces",
        latent_dim=2,
        hidden_units=(512,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=1.0,
        estimator="top_k",
        classifier="local_contrast",
        encoder="convolutional",
        classification_weight=30.0,
        labels_first_steps=400,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
    )
