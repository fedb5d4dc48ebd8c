import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import objectives


def test_labelled_objective_is_equation_9():
    np.testing.assert_allclose(objectives.labelled_objective(tf.constant([-3.0]), tf.constant([-0.5]), 4.0), [-5.0])


def test_total_objective_times_n_is_the_sum_over_the_data_set():
    generator = np.random.default_rng(0)
    unlabelled, labelled = generator.normal(size=40), generator.normal(size=8)
    total = objectives.total_objective(unlabelled, labelled, gamma=2.5, num_unlabelled=40, num_labelled=8)
    np.testing.assert_allclose(40 * total, unlabelled.sum() + 2.5 * labelled.sum(), rtol=1e-12)


def test_total_objective_is_unbiased_over_batches_of_any_size():
    unlabelled, labelled = np.arange(6.0), np.arange(4.0)
    whole = objectives.total_objective(unlabelled, labelled, 3.0, 6, 4)
    parts = [objectives.total_objective(u, m, 3.0, 6, 4) for u in unlabelled.reshape(3, 2) for m in labelled.reshape(4, 1)]
    np.testing.assert_allclose(np.mean(parts), whole, rtol=1e-12)


def test_supervision_rate():
    assert objectives.supervision_rate(gamma=1.0, num_unlabelled=900, num_labelled=100) == pytest.approx(0.1)
    assert objectives.supervision_rate(gamma=9.0, num_unlabelled=900, num_labelled=100) == pytest.approx(0.5)
    assert objectives.gamma_of_rate(0.5, num_unlabelled=900, num_labelled=100) == pytest.approx(9.0)


def test_kingma_at_100_of_50000_labels_is_50_nats_per_labelled_example():
    weights = objectives.kingma_weights(alpha=0.1, num_examples=50_000, num_labelled=100)
    assert weights == (1.0, pytest.approx(50.0))


def test_adgm_weights_make_its_published_step():
    """mean U + mean (L + beta n / n_l log q): larsmaaloee's step, with n = 60,000 and n_l = 100."""
    weights = objectives.adgm_weights(beta=0.1, num_examples=60_000, num_unlabelled=60_000, num_labelled=100)
    assert weights.classification_weight == pytest.approx(60.0)
    bound, log_qy, unlabelled = np.array([-100.0, -90.0]), np.array([-1.0, -0.2]), np.array([-95.0])
    labelled = objectives.labelled_objective(bound, log_qy, weights.classification_weight)
    total = objectives.total_objective(unlabelled, labelled, weights.gamma, 60_000, 100)
    np.testing.assert_allclose(total, np.mean(unlabelled) + np.mean(bound + 60.0 * log_qy), rtol=1e-12)


def test_siddharth_weights_count_per_item():
    assert objectives.siddharth_weights(alpha=0.1) == (1.0, 0.1)
