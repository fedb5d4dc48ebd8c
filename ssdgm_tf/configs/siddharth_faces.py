"""Faces of the Extended Yale Face Database B: identity and direction of the light (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_faces:labels=646,seed=0 --data_dir=DATA --workdir=runs/faces

DATA holds yaleb_48x42.npz, with images `x`, identities `y`, `azimuth_deg` and `elevation_deg` of the cropped faces at 48x42.
A fifth is held out for the test. labels=646 is a third of the other 1,932, and labels=0 is all.
`--config.supervised=identity` or `lighting` shows only one kind of label.

A small style and a wide likelihood: with a style of 16 numbers, or a narrow likelihood, the style holds the light, and a
face keeps its light when another lighting is given. The labels show where the lamps of the studio are, and they light the
other images too. This is the prior of the lighting, introduced slowly.
"""

from ml_collections import ConfigDict, config_dict

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """The config for the arguments `labels` and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=646, seed=0)
    # With labels only there is nothing to learn from the places of the lamps.
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
