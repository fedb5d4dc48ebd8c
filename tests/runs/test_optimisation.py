"""The schedules that follow from a config and its data set."""

import keras
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import m2_digits
from ssdgm_tf.models import M2
from ssdgm_tf.runs import optimisation


def test_the_bound_is_let_in_after_its_epochs_and_the_steps_on_the_labels():
    config = m2_digits.get_config("labels=30,seed=0").to_dict() | {
        "labels_first_steps": 7,
        "bound_delay": 0.33,
        "epochs": 10,
    }
    digits, model = data.load_digits(30, 0), M2(10, 2)
    steps = 7 + 3 * optimisation.steps_per_epoch(model, config, digits)
    schedule = optimisation.bound_weight(model, config, digits)
    assert [float(schedule(step)) for step in (0, steps, steps + 1)] == pytest.approx([0.001, 0.001, 1.0])
    assert optimisation.bound_weight(model, config | {"bound_delay": 0.0}, digits) is None
    for share, epochs in ((1.0, 10), (-0.1, 10), (0.5, 1)):
        with pytest.raises(ValueError, match=rf"Received: config\.bound_delay={share} of {epochs} epochs"):
            optimisation.bound_weight(model, config | {"bound_delay": share, "epochs": epochs}, digits)


@pytest.mark.parametrize("labels_first", [0, 7])
def test_the_rate_falls_before_and_after_the_bound_is_let_in(labels_first):
    fields = {"labels_first_steps": labels_first, "bound_delay": 0.4, "epochs": 5, "learning_rate_schedule": "cosine"}
    config = m2_digits.get_config("labels=30,seed=0").to_dict() | fields | {"learning_rate": 1.0}
    digits, model = data.load_digits(30, 0), M2(10, 2)
    steps = optimisation.steps_per_epoch(model, config, digits)
    turn, rise = labels_first + 2 * steps, -(-steps // 4)
    schedule = optimisation.optimizer(model, config, digits)._learning_rate
    first = labels_first or rise
    at = [0, first, turn - 1, turn, turn + rise, turn + 3 * steps + rise]
    rates = [float(schedule(step)) for step in at]
    assert rates == pytest.approx([0.1, 1.0, rates[2], 0.1, 1.0, 0.01], abs=1e-6) and 0.01 <= rates[2] < 0.3
    falls = [float(schedule(step)) for step in range(first, turn)]
    assert falls == sorted(falls, reverse=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(again(step)) for step in at] == rates
