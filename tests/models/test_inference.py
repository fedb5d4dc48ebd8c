import numpy as np
import pytest
import tensorflow as tf


def test_predict_is_the_class_probabilities(tiny, tiny_m2):
    x, _ = tiny
    probs = tiny_m2.predict(x, batch_size=50, verbose=0)
    assert probs.shape == (120, 3) and probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(probs, tiny_m2(x), rtol=1e-5)


def test_encode_gives_probabilities_and_the_style_at_the_likeliest_label(tiny, tiny_m2):
    x, _ = tiny
    code = tiny_m2.encode(x)
    np.testing.assert_allclose(code["y"], tiny_m2(x), rtol=1e-5)
    labels = np.argmax(code["y"], axis=1)
    expected = tiny_m2.recognition["z"].distribution([tf.constant(x), tf.one_hot(labels, 3)]).mean()
    np.testing.assert_allclose(code["z"], expected, rtol=1e-5)


def test_encode_holds_the_labels_given(tiny, tiny_m2):
    x, _ = tiny
    y = np.where(np.arange(120) < 60, 2, -1)
    code = tiny_m2.encode(x, y)
    np.testing.assert_array_equal(code["y"][:60], np.eye(3)[[2] * 60])
    np.testing.assert_allclose(code["y"][60:], tiny_m2(x[60:]), rtol=1e-5)
    np.testing.assert_allclose(code["z"][:60], tiny_m2.encode(x[:60], np.full(60, 2))["z"], rtol=1e-5)
    assert not np.allclose(code["z"][:60], tiny_m2.encode(x[:60], np.full(60, 1))["z"])


def test_reconstruct_decodes_the_code(tiny, tiny_m2):
    x, _ = tiny
    code = tiny_m2.encode(x)
    expected = tiny_m2.generate({"y": np.argmax(code["y"], axis=1), "z": code["z"]})
    images = tiny_m2.reconstruct(x)
    assert images.shape == x.shape
    np.testing.assert_allclose(images, expected, rtol=1e-5)


def test_analogies_are_every_label_in_the_style_of_each_image(tiny, tiny_m2):
    x, _ = tiny
    images = tiny_m2.analogies(x[:5])
    assert images.shape == (5, 3, 4, 3)
    styles = tiny_m2.encode(x[:5])["z"]
    for y in range(3):
        np.testing.assert_allclose(images[:, y], tiny_m2.generate({"y": [y] * 5, "z": styles}), rtol=1e-5)


def test_generate_follows_its_seed_and_holds_what_is_given(tiny_m2):
    a, b, c = (tiny_m2.generate({"y": [0, 1, 2]}, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c) and a.shape == (3, 4, 3)
    assert not np.allclose(tiny_m2.generate(num_samples=3), tiny_m2.generate(num_samples=3))
    z = np.zeros((2, 2))
    same = tiny_m2.generate({"y": [1, 1], "z": z})
    np.testing.assert_array_equal(same[0], same[1])


def test_log_likelihood_follows_its_seed_and_is_of_x_and_y_where_a_label_is_given(tiny, tiny_m2):
    x, _ = tiny
    a, b = (tiny_m2.log_likelihood(x, num_samples=7, seed=1) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    # The same draws, one label at a time: p(x) = sum_y p(x, y).
    joint = [tiny_m2.log_likelihood(x, np.full(120, y), num_samples=7, seed=1) for y in range(3)]
    np.testing.assert_allclose(np.logaddexp.reduce(joint), a, rtol=1e-4)


def test_log_likelihood_in_chunks_has_the_mean_of_the_whole(tiny, tiny_m2, monkeypatch):
    """Samples at once and in chunks of 3, 40 estimates of each: mean weights agree within 5 standard errors."""
    from ssdgm_tf.models import inference

    x = tiny[0][:4]

    def weights():
        return np.exp([tiny_m2.log_likelihood(x, num_samples=20, seed=i) for i in range(40)])

    whole = weights()
    monkeypatch.setattr(inference, "_MAX_ROWS", 3 * 3 * 4)
    chunked = weights()
    error = 5 * np.hypot(whole.std(axis=0), chunked.std(axis=0)) / np.sqrt(40)
    assert np.all(np.abs(whole.mean(axis=0) - chunked.mean(axis=0)) < error)
    assert not np.allclose(whole, chunked)


def test_log_likelihood_refuses_no_samples(tiny, tiny_m2):
    with pytest.raises(ValueError, match="num_samples must be at least 1"):
        tiny_m2.log_likelihood(tiny[0], num_samples=0)
