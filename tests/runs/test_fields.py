"""A field that describes distributions and networks changes the model, or is refused."""

import json
import re

import keras
import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import common
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import building

SMALL = {"hidden_units": (8,), "latent_dim": 3, "data": "digits", "likelihood": "normal"}
#: Another value of each field that describes networks.
OTHER = {
    "latent_dim": 4,
    "hidden_units": (9,),
    "activation": "tanh",
    "normalization": "layer",
    "likelihood": "discretized_logistic",
    "likelihood_scale": 0.7,
    "prior": "learned",
    "estimator": "relaxed",
    "classifier": "noisy",
    "classifier_units": (7, 9),
    "noise": 0.7,
    "dropout": 0.7,
    "filters": (4, 8),
    "bending": 2.0,
    "colours": True,
    "encoder": "convolutional",
    "decoder": "convolutional",
}
IMAGES = data.load("digits", 30, 0)
_OF_X = ("x_train", "x_test", "x_validation")
SERIES = IMAGES._replace(**{name: np.asarray(getattr(IMAGES, name))[..., 0] for name in _OF_X})


def made(fields, dataset):
    keras.utils.clear_session()  # which numbers the names anew
    config = json.loads(json.dumps(common.model_config(**SMALL | fields).to_dict()))  # as a run keeps it
    model = building.model({"config": config, "precision": "float32", "jit_compile": "auto"}, dataset)
    return json.dumps(keras.saving.serialize_keras_object(model), default=str)


@pytest.mark.parametrize(
    ("fields", "dataset"),
    [
        ({"model": "m2"}, IMAGES),
        ({"model": "m2", "classifier": "convolutional"}, IMAGES),
        ({"model": "m2", "classifier": "local_contrast", "encoder": "pooled"}, IMAGES),
        ({"model": "sdgm", "classifier": "noisy"}, IMAGES),
        ({"model": "vae"}, IMAGES),
        ({"model": "m2", "classifier": "convolutional"}, SERIES),
        ({"model": "m2", "encoder": "recurrent"}, SERIES),
    ],
    ids=lambda case: "_".join(case.values()) if isinstance(case, dict) else f"{case.x_train.ndim}d",
)
def test_no_field_of_a_network_is_ignored(fields, dataset):
    assert set(OTHER) == set(common.OF_NETWORKS)
    usual = made(fields, dataset)
    assert made(fields, dataset) == usual
    for name, value in OTHER.items():
        if fields.get(name) == value:
            continue
        try:
            changed = made(fields | {name: value}, dataset)
        except UserError as error:
            assert re.search(rf"config\.{name}\b", str(error).split("Received")[0]), error
        else:
            assert changed != usual, name


def test_a_field_of_no_network_is_refused():
    with pytest.raises(UserError) as error:
        made({"model": "m2", "filters": (4, 8)}, IMAGES)
    assert str(error.value) == (
        "config.filters describes what this model does not have. Received: config.filters=[4, 8], config.model=m2, "
        "config.classifier=dense, config.encoder=dense, config.decoder=dense, examples of shape (8, 8, 1)"
    )


def test_labels_do_not_spread_along_examples_with_gaps():
    x = SERIES.x_train.copy()
    x[0, 3] = np.nan
    fields = {"model": "m2", "labels_first_steps": 5, "labels_spread": True}
    with pytest.raises(UserError, match=r"images, vectors or series without gaps\. Received: M2 on digits"):
        made(fields, SERIES._replace(x_train=x))
    made(fields, SERIES)
