"""The schedules that follow from a config and its data set."""

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
