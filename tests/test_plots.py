import numpy as np
import pytest

from ssdgm_tf import plots

GENERATOR = np.random.default_rng(0)


def image(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def test_a_grid_puts_every_image_in_its_place():
    x = GENERATOR.uniform(size=(2, 4, 5, 1))
    canvas = image(plots.reconstructions(x, 1 - x))
    np.testing.assert_allclose(canvas[:4, :5], x[0, ..., 0])
    np.testing.assert_allclose(canvas[:4, 6:11], x[1, ..., 0])
    np.testing.assert_allclose(canvas[5:9, :5], 1 - x[0, ..., 0])


def test_values_outside_the_unit_interval_are_clipped():
    x = GENERATOR.normal(size=(2, 4, 5, 1)) * 3
    canvas = image(plots.reconstructions(x, x))
    assert canvas.min() == 0 and canvas.max() == 1


def test_analogies_show_the_image_and_every_label():
    figure = plots.analogies(GENERATOR.uniform(size=(3, 4, 4, 1)), GENERATOR.uniform(size=(3, 10, 4, 4, 1)))
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["image", "", *map(str, range(10))]


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_are_a_row_per_class(channels):
    figure = plots.samples(GENERATOR.uniform(size=(4, 6, 5, 5, channels)))
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0", "1", "2", "3"]
    assert image(figure).shape[:2] == (4 * 6, 6 * 6)


@pytest.mark.parametrize(("num_classes", "channels"), [(3, 1), (7, 3)])
def test_styles_are_a_mosaic_per_class(num_classes, channels):
    images = GENERATOR.uniform(size=(num_classes, 2, 2, 4, 5, channels))
    figure = plots.styles(images, (3, 0))
    assert [axes.get_title() for axes in figure.axes[:num_classes]] == [str(label) for label in range(num_classes)]
    mosaic = np.asarray(figure.axes[1].images[0].get_array()).reshape(8, 10, channels)
    np.testing.assert_allclose(mosaic[4:, :5], images[1, 1, 0])  # down: the first dimension
    np.testing.assert_allclose(mosaic[:4, 5:], images[1, 0, 1])
    assert "across: dimension 0 of the style; down: dimension 3" == figure.get_supxlabel()


def test_learning_curves_draw_what_was_logged():
    names = ["bound_unlabelled", "val_bound_unlabelled", "error", "val_error", "kl_z", "kl_y"]
    rows = [{"epoch": i + 1, **{name: float(i) for name in names}} for i in range(20)]
    figure = plots.learning_curves(rows, "validation")
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    np.testing.assert_array_equal(figure.axes[1].lines[1].get_ydata(), range(20))


def test_learning_curves_of_a_supervised_run_leave_out_what_was_not_logged():
    rows = [{"epoch": i + 1, "error": 0.1, "val_error": 0.2, "kl_z": 1.0, "val_bound_unlabelled": -3.0} for i in range(20)]
    assert [len(axes.lines) for axes in plots.learning_curves(rows, "test").axes] == [1, 2, 1]


@pytest.mark.parametrize("latent_dim", [1, 2, 7])
def test_the_latent_space_has_a_point_per_image(latent_dim):
    figure = plots.latent_space(GENERATOR.normal(size=(50, latent_dim)), np.arange(50) % 10)
    assert len(figure.axes[0].collections[0].get_offsets()) == 50


def test_a_gallery_has_the_first_image_apart():
    x = GENERATOR.uniform(size=(8, 4, 5, 1))
    canvas = image(plots.gallery(x, columns=3))
    np.testing.assert_allclose(canvas[:4, :5], x[0, ..., 0])
    assert (canvas[:4, 6:11] == 1).all() and (canvas[5:, :11] == 1).all(), "beside and below it nothing"
    np.testing.assert_allclose(canvas[:4, 12:17], x[1, ..., 0])
    np.testing.assert_allclose(canvas[10:14, 12:17], x[7, ..., 0])
    assert (canvas[10:14, 18:] == 1).all()


def test_a_decomposition_names_its_digits():
    figure = plots.decomposition(
        GENERATOR.uniform(size=(2, 4, 5, 5, 1)),
        ["1", "2"],
        ["canvas", "model", "digit 1", "digit 2"],
        [["7", ""], ["3", "4"]],
    )
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(texts) == {"7", "", "3", "4"}
    assert texts["7"][0] == texts["3"][0] < texts["4"][0] and texts["7"][1] < texts["3"][1]


def test_supervision_rates_mark_gamma_of_one():
    points = [(0.002, 20.0, True), (0.5, 8.0, False)]
    axes = plots.supervision_rates({"100 labels": points}).axes[0]
    curve, mark, _ = axes.lines
    np.testing.assert_allclose(curve.get_xydata(), [point[:2] for point in points])
    np.testing.assert_allclose(mark.get_xydata(), [points[0][:2]])


def test_errors_by_minutes_stand_beside_what_was_published():
    curves = {"ADGM": [([1, 10], [20.0, 7.0]), ([1, 12], [21.0, 6.0])], "M2": [([2, 3], [9.0, 8.0])]}
    first, second = plots.errors_by_minutes(curves, {"ADGM": 0.96}).axes
    *runs, line = first.lines
    for curve, expected in zip(runs, curves["ADGM"], strict=True):
        np.testing.assert_allclose(curve.get_data(), expected)
    np.testing.assert_allclose(line.get_ydata(), 0.96)
    assert [text.get_text() for text in first.texts] == ["published 0.96 %"]
    assert len(second.lines) == 1 and not second.texts
    many = plots.errors_by_minutes({f"M{k}": curves["M2"] for k in range(7)}, {})
    assert [axes.get_title() for axes in many.axes] == [f"M{k}" for k in range(7)]
    assert many.axes[5].get_subplotspec().rowspan.start == 1


def test_learning_curves_have_a_panel_for_each_error():
    rows = [{"epoch": e, "identity_error": 0.5, "val_identity_error": 0.4, "lighting_degrees": 9.0} for e in (1, 2)]
    figure = plots.learning_curves([row | {"bound_unlabelled": 1.0} for row in rows], "test")
    assert [axes.get_title() for axes in figure.axes] == ["bound U(x), nats", "identity error", "lighting degrees"]


@pytest.mark.parametrize("num_classes", [1, 2, 20, 21, 100])
def test_a_confusion_matrix_has_the_share_of_each_row(num_classes):
    """And its counts, where there is room for them; a class without examples has none."""
    counts = GENERATOR.integers(0, 9, (num_classes, num_classes))
    counts[-1] = 0
    figure = plots.confusion(counts, [f"{i}$_{'long' * 9}" for i in range(num_classes)])
    figure.canvas.draw()
    shares = image(figure)
    np.testing.assert_allclose(shares[:-1].sum(axis=1), 1)
    assert (shares[-1] == 0).all()
    texts = {(text.get_position()[1], text.get_position()[0]): int(text.get_text()) for text in figure.axes[0].texts}
    cells = {cell: count for cell, count in np.ndenumerate(counts) if count}
    assert texts == (cells if num_classes <= 20 else {})
    for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        names = [label.get_text() for label in labels]
        assert len(names) <= 40 and names[0] == "0$_longlonglong\u2026"
    assert figure.axes[0].get_ylabel() == "true" and figure.axes[0].get_xlabel() == "predicted"
