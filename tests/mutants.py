"""Plants faults in the package, one at a time, and runs the first tier's tests of the place: each fault must be caught.

    python tests/mutants.py                 # all of them; `make mutants`
    python tests/mutants.py bounds ece      # those whose file or fault contains a word

A fault that no test catches is a gap in the first tier. The list holds one line of code and its replacement for each.
"""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

ROOT = Path(__file__).parent.parent


class Mutant(NamedTuple):
    """A fault.

    Attributes:
        fault: what is wrong, in words.
        file: below ssdgm_tf/.
        line: the code, which occurs once in the file.
        replacement: the faulty code.
        tests: the tests that must fail, as arguments of pytest.
    """

    fault: str
    file: str
    line: str
    replacement: str
    tests: str


GRAPHICAL, TRAINING = "tests/models/test_graphical_model.py", "tests/models/test_semi_supervised_model.py"
BOUNDS, ORACLES = "tests/objectives/test_bounds.py", "tests/oracles/test_random_graphs.py"
LOOPS, GAPS = "tests/models/test_loops.py", "tests/oracles/test_gaps.py"
EXACT, INPUTS = "tests/oracles/test_exact_gradients.py", "tests/inputs/test_inputs_table.py"
TERMS, STEPS = "tests/consistency/test_terms.py", "tests/models/test_consistency.py"
MUTANTS = (
    # Objectives.
    Mutant(
        "states are not weighted",
        "objectives/bounds.py",
        "return _mean(tf.exp(log_weight) * log_ratio)",
        "return _mean(log_ratio)",
        BOUNDS,
    ),
    Mutant(
        "importance weights are not normalised",
        "objectives/bounds.py",
        "normalised = tf.exp(log_w + log_weight - log_z)",
        "normalised = tf.exp(log_w + log_weight)",
        BOUNDS,
    ),
    Mutant(
        "log Z is left out of the importance bound",
        "objectives/bounds.py",
        "return _mean(normalised * integrand) + log_z",
        "return _mean(normalised * integrand)",
        BOUNDS,
    ),
    Mutant(
        "the mean over samples is a sum",
        "objectives/bounds.py",
        "return tf.reduce_logsumexp(term, axis=(0, 1)) - tf.math.log(tf.cast(tf.shape(term)[1], term.dtype))",
        "return tf.reduce_logsumexp(term, axis=(0, 1))",
        BOUNDS,
    ),
    Mutant(
        "gamma is ignored",
        "objectives/semi_supervised.py",
        "return tf.reduce_mean(unlabelled) + gamma * num_labelled / num_unlabelled * tf.reduce_mean(labelled)",
        "return tf.reduce_mean(unlabelled) + num_labelled / num_unlabelled * tf.reduce_mean(labelled)",
        "tests/objectives/test_semi_supervised.py",
    ),
    Mutant(
        "the classification term is left out",
        "objectives/semi_supervised.py",
        "return bound + classification_weight * log_qy",
        "return bound",
        "tests/objectives/test_semi_supervised.py",
    ),
    Mutant(
        "Kingma's weight is of the labelled examples only",
        "objectives/semi_supervised.py",
        "classification_weight=alpha * num_examples / num_labelled)",
        "classification_weight=alpha)",
        "tests/objectives/test_semi_supervised.py",
    ),
    Mutant(
        "the leave-one-out mean has the sample itself",
        "objectives/score_function.py",
        "return (tf.reduce_sum(signal, axis=1, keepdims=True) - signal) / (num_samples - 1)",
        "return tf.reduce_sum(signal, axis=1, keepdims=True) / num_samples",
        "tests/oracles/test_estimators.py",
    ),
    Mutant(
        "the score function has the wrong sign",
        "objectives/score_function.py",
        "centred = log_q - tf.stop_gradient(log_q)",
        "centred = tf.stop_gradient(log_q) - log_q",
        "tests/oracles/test_estimators.py",
    ),
    # The engine.
    Mutant(
        "free bits are granted above their number",
        "engine/trace_bounds.py",
        "counted.mean(scaled) >= -free_bits",
        "counted.mean(scaled) <= -free_bits",
        f"{GRAPHICAL} -k free_bits",
    ),
    Mutant(
        "the KL weight is ignored",
        "engine/trace_bounds.py",
        "kl_weight * ratio if name in graph.latent else ratio",
        "ratio",
        f"{GRAPHICAL} -k warm_up",
    ),
    Mutant(
        "the KL weight is of labels too",
        "engine/trace_bounds.py",
        "kl_weight * ratio if name in graph.latent else ratio",
        "kl_weight * ratio",
        f"{GRAPHICAL} -k warm_up",
    ),
    Mutant(
        "what free bits grant stays in the score function",
        "engine/trace_bounds.py",
        "warmed -= tf.where(is_free, kl_weight * ratios[name], tf.zeros_like(ratios[name]))",
        "pass",
        EXACT,
    ),
    Mutant(
        "the label has no gradient of the draws before it",
        "engine/trace_bounds.py",
        "return value, objectives.importance_weighted_surrogate(log_w, log_weight, log_q)",
        "return value, tf.zeros_like(value)",
        EXACT,
    ),
    Mutant(
        "a draw counts once for each joint state that shares it",
        "engine/trace.py",
        "scores = [self.sites[name].score for name in names if self.sites[name].score is not None]",
        "scores = [self.joined(s.score, s.scope) for s in map(self.sites.get, names) if s.score is not None]",
        EXACT,
    ),
    Mutant(
        "the importance bound of the other samples is no baseline",
        "objectives/score_function.py",
        "signal = value if num_samples == 1 else value - tf.stop_gradient(bound(_others(per_sample), num_samples - 1))",
        "signal = value - tf.stop_gradient(bound(per_sample, num_samples))",
        EXACT,
    ),
    Mutant(
        "a masked label has no weight of its own",
        "engine/trace.py",
        "return draw._replace(log_weight=tf.where(mask, one, draw.log_weight))",
        "return draw",
        ORACLES,
    ),
    Mutant(
        "importance weights are of unlabelled examples too",
        "engine/trace.py",
        "total += log_q if mask is True else tf.where(mask, log_q, tf.zeros_like(log_q))",
        "total += log_q",
        ORACLES,
    ),
    Mutant(
        "KL in closed form where parents come later",
        "engine/graph.py",
        "return not any(parent == name or name in self.ancestors_q(parent) for parent in parents)",
        "return True",
        "tests/engine/test_graph.py",
    ),
    Mutant(
        "weights are taken for constant",
        "engine/graph.py",
        "return not any(self.ancestors_q(name) & set(self.inferred) for name in self.supervised)",
        "return True",
        "tests/engine/test_graph.py",
    ),
    Mutant(
        "a given value is not held in inference",
        "engine/propagation.py",
        "return tf.where(mask, tf.cast(held.value, value.dtype), value)",
        "return value",
        "tests/models/test_inference.py",
    ),
    # Layers and nodes.
    Mutant(
        "all states share their noise",
        "layers/normal.py",
        "shape = tf.concat([sizes[:samples_axis], [num_samples], sizes[samples_axis + 1 :]], axis=0)",
        "shape = tf.concat([tf.ones_like(sizes[:samples_axis]), [num_samples], sizes[samples_axis + 1 :]], axis=0)",
        "tests/layers/test_densities.py -k noise_of_its_own",
    ),
    Mutant(
        "the random state is not saved",
        "layers/random_state.py",
        "store[name] = keras.ops.convert_to_numpy(state)",
        "store[name] = 0 * keras.ops.convert_to_numpy(state)",
        f"{TRAINING} -k resumed",
    ),
    Mutant(
        "the likeliest states are drawn again",
        "nodes/estimators.py",
        'rest = tf.where(is_top, tf.constant(-float("inf"), log_probs.dtype), log_probs)',
        "rest = log_probs",
        "tests/oracles/test_estimators.py",
    ),
    Mutant(
        "the score function has no score",
        "nodes/estimators.py",
        "return Draw(value, log_q, score=log_q)",
        "return Draw(value, log_q)",
        "tests/oracles/test_estimators.py",
    ),
    Mutant(
        "pixels above 1 are accepted",
        "layers/supports.py",
        "return (value >= 0) & (value <= 1)",
        "return value >= 0",
        "tests/models/test_checks.py",
    ),
    Mutant(
        "labels beyond the classes are accepted",
        "checks.py",
        "highest = np.iinfo(np.int32).max if num_classes is None else num_classes - 1",
        "highest = np.iinfo(np.int32).max",
        "tests/test_checks.py",
    ),
    # Models.
    Mutant(
        "calibration counts examples without a label",
        "models/metrics.py",
        "metric.update_state(tf.maximum(y[name], 0), predictions[name], sample_weight=mask)",
        "metric.update_state(tf.maximum(y[name], 0), predictions[name])",
        "tests/models/test_keras_manners.py -k calibration",
    ),
    Mutant(
        "errors count examples without a label",
        "models/metrics.py",
        "metric.update_state(*_where(known[name], head.error(predictions[name], event(head, y[name]))))",
        "metric.update_state(head.error(predictions[name], event(head, y[name])))",
        f"{GRAPHICAL} -k only_what_is_known",
    ),
    Mutant(
        "a user's metric counts examples without a label",
        "models/metrics.py",
        "metric.update_state(true, predictions[variable], sample_weight=mask)",
        "metric.update_state(true, predictions[variable])",
        "tests/models/test_keras_manners.py -k label_is_known",
    ),
    Mutant(
        "losses that layers add are left out",
        "models/semi_supervised_model.py",
        "return loss + tf.add_n([tf.cast(value, loss.dtype) for value in added]) if added else loss",
        "return loss",
        "tests/models/test_keras_manners.py -k AddedLosses",
    ),
    Mutant(
        "the step is not counted",
        "models/semi_supervised_model.py",
        "self.step.assign_add(1)",
        "self.step.assign_add(0)",
        "tests/models/test_keras_manners.py -k step_of_fit",
    ),
    Mutant(
        "the order of all epochs is the same",
        "models/order.py",
        "tf.stack([self.seed, 2 * number + stream]))",
        "tf.stack([self.seed, tf.cast(stream, tf.int64)]))",
        "tests/models/test_streams.py",
    ),
    Mutant(
        "every epoch has the first one's order",
        "models/streams.py",
        "counter(start=first // steps, dtype=tf.int64)",
        "counter(start=0, dtype=tf.int64)",
        "tests/models/test_streams.py",
    ),
    Mutant(
        "balanced classes take no turns from epoch to epoch",
        "models/order.py",
        "turn = (tf.range(num_classes, dtype=tf.int64) - number * self.num_examples) % num_classes",
        "turn = tf.range(num_classes, dtype=tf.int64)",
        "tests/models/test_streams.py -k balanced",
    ),
    Mutant(
        "the permutations of a balanced class are mixed",
        "models/order.py",
        "return examples, (first_passes[of_class] + place // self.sizes[of_class]).astype(np.float64), starts",
        "return examples, of_class.astype(np.float64), starts",
        "tests/models/test_streams.py -k balanced",
    ),
    Mutant(
        "what fills up a step counts in its loss",
        "models/devices.py",
        "counted.share(terms[name], number) for name in _WEIGHED",
        "terms[name] for name in _WEIGHED",
        LOOPS,
    ),
    Mutant(
        "what fills up a step counts in free bits",
        "engine/counted.py",
        "return tf.reduce_mean(values if number is None else share(values, number), axis=0)",
        "return tf.reduce_mean(values, axis=0)",
        "tests/engine/test_counted.py",
    ),
    Mutant(
        "what fills up a step counts in the metrics of training",
        "models/semi_supervised_model.py",
        "masks = _mask(labelled, num_labelled), _mask(unlabelled, num_unlabelled)",
        "masks = None, None",
        LOOPS,
    ),
    Mutant(
        "what fills up a step counts in evaluate",
        "models/semi_supervised_model.py",
        "mask = _mask(unlabelled, number)",
        "mask = None",
        LOOPS,
    ),
    Mutant(
        "every pass of a loop has the order of the first",
        "models/loops.py",
        "number, place = divmod(self.step, self.arrays.order.steps)",
        "number, place = 0, self.step % self.arrays.order.steps",
        LOOPS,
    ),
    Mutant(
        "a block holds the first rows of its pass",
        "models/loops.py",
        "steps = tf.range(before, before + _BLOCK) % (last + 1)",
        "steps = tf.range(_BLOCK) % (last + 1)",
        LOOPS,
    ),
    Mutant(
        "the joint states of a term are in another order",
        "engine/joint_states.py",
        "result = tf.broadcast_to(tf.reshape(result, [before, 1, block]), [before, size, block])",
        "result = tf.broadcast_to(tf.reshape(result, [1, before, block]), [size, before, block])",
        "tests/engine/test_joint_states.py",
    ),
    Mutant(
        "networks get raw angles",
        "layers/supports.py",
        "return tf.concat([tf.cos(value), tf.sin(value)], axis=-1)",
        "return tf.concat([value, value], axis=-1)",
        "tests/layers/test_supports.py -k no_jump",
    ),
    Mutant(
        "a missing positive value is scored as 0",
        "layers/supports.py",
        "return tf.ones_like(like)",
        "return tf.zeros_like(like)",
        "tests/layers/test_supports.py -k becomes_one_within",
    ),
    Mutant(
        "draws stay on the edge of a simplex",
        "layers/supports.py",
        "return tf.maximum(draws, _smallest(draws))",
        "return draws",
        "tests/layers/test_supports.py -k own_draws",
    ),
    Mutant(
        "a label of a Bernoulli may be grey",
        "layers/bernoulli.py",
        "support = supports.Whole(1)",
        "support = supports.UnitInterval()",
        "tests/layers/test_supports.py -k refused",
    ),
    Mutant(
        "angles are averaged as numbers",
        "layers/directions.py",
        "return tf.atan2(average(length * tf.sin(loc)), average(length * tf.cos(loc)))",
        "return average(loc)",
        "tests/layers/test_moments.py -k round_the_circle",
    ),
    Mutant(
        "evaluate predicts from one draw",
        "models/graphical_model.py",
        "num_samples = self.num_prediction_samples if is_drawn else 1",
        "num_samples = 1",
        "tests/models/test_predictions.py -k prediction_samples",
    ),
    Mutant(
        "the log of fit predicts with the other labels held",
        "models/graphical_model.py",
        "known_by_x = self.graph.supervised if self.graph.weights_are_constant else ()",
        "known_by_x = self.graph.supervised",
        "tests/models/test_predictions.py -k errors_of_all_methods",
    ),
    Mutant(
        "the loss counts a small batch as much as a large one",
        "models/metrics.py",
        "return tf.stack([tf.reduce_sum(values), tf.cast(number, values.dtype)])",
        "return tf.stack([tf.reduce_sum(values) / tf.cast(number, values.dtype), tf.ones([], values.dtype)])",
        "tests/models/test_batching.py -k small_last_batch",
    ),
    # Gaps.
    Mutant(
        "a missing element counts as the value in the middle",
        "layers/stochastic.py",
        "return tf.reduce_sum(tf.where(is_known, terms, tf.zeros_like(terms)), axis=event_axes)",
        "return tf.reduce_sum(terms, axis=event_axes)",
        GAPS,
    ),
    Mutant(
        "networks do not see which elements are missing",
        "layers/supports.py",
        "tf.cast(~tf.math.is_nan(value), shown.dtype)",
        "tf.ones_like(shown)",
        "tests/models/test_gaps.py -k see_what_is_missing",
    ),
    Mutant(
        "missing elements are filled in without importance weights",
        "engine/imputation.py",
        "share = tf.nn.softmax(tf.reshape(log_w, [-1, tf.shape(log_w)[2]]), axis=0)",
        "share = tf.nn.softmax(tf.zeros_like(tf.reshape(log_w, [-1, tf.shape(log_w)[2]])), axis=0)",
        GAPS,
    ),
    Mutant(
        "the threshold of sets forgets the new example",
        "trust/conformal.py",
        "place = math.ceil((len(found) + 1) * coverage - 1e-9)",
        "place = math.ceil(len(found) * coverage - 1e-9)",
        "tests/trust/test_conformal.py",
    ),
    Mutant(
        "sets are of the calibrated predictions",
        "models/calibration.py",
        "means = model.uncalibrated_means(x)",
        "means = model.predicted_means(x)",
        "tests/models/test_calibration.py -k before_calibration",
    ),
    Mutant(
        "more training keeps a calibration",
        "models/graphical_model.py",
        "after_training.forget(self)",
        "pass",
        "tests/models/test_calibration.py -k training_ends",
    ),
    Mutant(
        "the floor of a calibration has no gradient",
        "trust/scaling.py",
        "* floor * (1 - floor)",
        "* 0.0 * floor",
        "tests/trust/test_scaling.py",
    ),
    Mutant(
        "a known example is its own neighbour",
        "trust/neighbours.py",
        "made._log_distance(values, NEIGHBOUR + 1)",
        "made._log_distance(values, NEIGHBOUR)",
        "tests/trust/test_novelty.py",
    ),
    Mutant(
        "novelty draws other noise for each example",
        "models/novelty.py",
        "exact=True, common_noise=True)",
        "exact=True)",
        "tests/conformance/test_conformance.py -k what_is_novel",
    ),
    Mutant(
        "the models of folds see what they are tested on",
        "runs/trusting.py",
        "rest, left_out = dataset.at(parts != k), dataset.at(parts == k)",
        "rest, left_out = dataset, dataset.at(parts == k)",
        "tests/runs/test_trusting.py -k folds_predict",
    ),
    Mutant(
        "a pixel of a PixelCNN sees itself",
        "layers/pixel_cnn.py",
        "_pad(_shift(2 * pixels - 1, right=1), rows=0, columns=(1, 0))",
        "_pad(2 * pixels - 1, rows=0, columns=(1, 0))",
        "tests/layers/test_pixel_cnn.py -k sum_to_one",
    ),
    Mutant(
        "equalize counts the levels of all images together",
        "layers/rand_augment.py",
        "rows * _LEVELS + tf.clip_by_value(levels, 0, _LEVELS - 1)",
        "0 * rows + tf.clip_by_value(levels, 0, _LEVELS - 1)",
        "tests/layers/test_rand_augment.py -k distribution",
    ),
    Mutant(
        "columns of a table change places",
        "layers/columns.py",
        "self._order = np.argsort(np.concatenate([group.places for group in groups]))",
        "self._order = np.concatenate([group.places for group in groups])",
        "tests/layers/test_columns.py -k order_of_the_table",
    ),
    Mutant(
        "weights of columns are in the bound",
        "engine/trace.py",
        "site.value, site.extent, site.is_known, weights)",
        "site.value, site.extent, site.is_known, self.generative(name).head.element_weights)",
        "tests/layers/test_columns.py -k weights_change",
    ),
    Mutant(
        "impute stops at small changes, however slowly they shrink",
        "models/inference.py",
        "is_moving = ~(change * np.maximum(1, ratio / (1 - ratio)) <= tolerance)",
        "is_moving = ~(change <= tolerance)",
        "tests/models/test_general_inference.py -k settle",
    ),
    Mutant(
        "gradients that are not finite reach the weights",
        "models/compilation.py",
        "keeps_all = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)",
        "keeps_all = True",
        "tests/models/test_nans.py",
    ),
    Mutant(
        "unlabelled examples count as labelled in evaluate",
        "models/semi_supervised_model.py",
        "self._parts_of_objective(labelled, unlabelled), has_label, mask, added)",
        "self._parts_of_objective(labelled, unlabelled), None, mask, added)",
        f"{TRAINING} -k evaluate_counts",
    ),
    Mutant(
        "a part of the samples is not weighed by its size",
        "models/inference.py",
        "total[batch] = np.logaddexp(total[batch], log_mean + np.log(num))",
        "total[batch] = np.logaddexp(total[batch], log_mean.numpy())",
        "tests/models/test_inference.py -k log_likelihood",
    ),
    # Data and runs.
    Mutant(
        "the label draw ignores its seed",
        "data/splits.py",
        "generator = np.random.default_rng(seed)\n    counts",
        "generator = np.random.default_rng(0)\n    counts",
        "tests/data/test_data.py -k seed",
    ),
    Mutant(
        "a number between two bytes is rounded",
        "data/raw.py",
        "if np.abs(steps - whole).max() > _TOLERANCE:",
        "if False:",
        "tests/data/test_streaming.py -k multiples",
    ),
    Mutant(
        "each row of a table says whether it holds bytes",
        "data/raw.py",
        "        if self.is_mixed:\n            return None, (",
        "        if False:\n            return None, (",
        "tests/data/test_streaming.py -k row_by_row",
    ),
    Mutant(
        "the first row of a table is lost",
        "data/text_table.py",
        "first.line + 1 if is_header else first.line",
        "first.line + 1",
        "tests/data/test_streaming.py -k made_up",
    ),
    Mutant(
        "channels may come first",
        "data/assembly.py",
        "raw.check_channels_last(checked.shape, name)",
        "pass",
        "tests/data/test_raw.py",
    ),
    Mutant(
        "a label of -2 is a class of its own",
        "data/csv.py",
        "if negative := sorted((cell for cell in known if are_numbers and float(cell) < 0), key=float):",
        "if negative := []:",
        f"{INPUTS} -k csv",
    ),
    Mutant(
        "an empty file of MATLAB is refused for its labels",
        "data/mat.py",
        "if y.ndim == 2 and (1 in y.shape or not y.size):",
        "if y.ndim == 2 and 1 in y.shape:",
        f"{INPUTS} -k mat",
    ),
    Mutant(
        "pixels above 1 are predicted",
        "data/raw.py",
        "if value.min() < 0 or value.max() > 1:",
        "if value.min() < 0:",
        f"{INPUTS} -k npz",
    ),
    Mutant(
        "records without any label are refused for their validation set",
        "data/splits.py",
        "    if not len(labelled):",
        "    if False:",
        f"{INPUTS} -k records",
    ),
    Mutant(
        "a prediction may be written over its input",
        "runs/prediction_files.py",
        "if over := next((path for path in written if _is_same(path, source)), None):",
        "if over := None:",
        "tests/runs/test_prediction_files.py",
    ),
    Mutant(
        "a checkpoint is written every epoch",
        "runs/callbacks.py",
        "if time.monotonic() - self.saved >= self.every_seconds:",
        "if True:",
        "tests/runs/test_callbacks.py",
    ),
    Mutant(
        "the checkpoint before is not kept",
        "runs/checkpoints.py",
        "os.replace(path, previous(path))",
        "path.unlink()",
        "tests/runs/test_checkpoints.py",
    ),
    Mutant(
        "a run that goes on for more epochs keeps its old results",
        "runs/workdir.py",
        "            self.results.unlink(missing_ok=True)",
        "            pass",
        "tests/runs/test_workdir.py",
    ),
    Mutant(
        "a finished baseline goes on for more epochs",
        "runs/workdir.py",
        "for number in epochs) and not self.is_of_baseline:",
        "for number in epochs):",
        "tests/runs/test_workdir.py",
    ),
    Mutant(
        "a run of an older version goes on",
        "runs/workdir.py",
        'if lacking := sorted(fields - {"config", *_flat(settings)}):',
        "if lacking := sorted(set()):",
        "tests/runs/test_workdir.py",
    ),
    Mutant(
        "JSON on one line loses lists that hold texts",
        "files.py",
        """re.compile(r'\\[\\n([^][{}"]*)\\]')""",
        """re.compile(r'\\[\\n([^][{}]*)\\]')""",
        "tests/test_files.py",
    ),
    Mutant(
        "the recall of a class is the share of its predictions that are right",
        "runs/measuring.py",
        "enumerate(matrix.sum(axis=1))",
        "enumerate(matrix.sum(axis=0))",
        "tests/runs/test_measuring.py",
    ),
    Mutant(
        "the recall of a variable counts labels that are not known",
        "runs/measuring.py",
        "of_classes(labels[known], chosen[known], classes[name])",
        "of_classes(labels, chosen, classes[name])",
        "tests/runs/test_run.py -k each_class_variable",
    ),
    Mutant(
        "a cell of a table takes a run that went on",
        "tables/running.py",
        "if numbers != [epochs] and not",
        "if numbers[-1] != epochs and not",
        "tests/tables/test_running.py",
    ),
    # Rows.
    Mutant(
        "bytes are divided by 256",
        "rows.py",
        "LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)",
        "LEVELS = np.arange(256, dtype=np.float32) / np.float32(256)",
        "tests/test_rows.py",
    ),
    Mutant(
        "rows of rows are rows of the array",
        "rows.py",
        "return Rows(self.stored, places if self.index is None else self.index[places], self.mapping)",
        "return Rows(self.stored, places, self.mapping)",
        "tests/test_rows.py",
    ),
    Mutant(
        "batches of rows in a file are the first ones of the file",
        "models/streams.py",
        "places = index if self.places is None else tf.gather(self.places, index)",
        "places = index",
        "tests/test_rows.py",
    ),
    Mutant(
        "the mapping of rows is left out of batches",
        "models/streams.py",
        "return x if self.mapping is None else self.mapping(x)",
        "return x",
        "tests/test_rows.py",
    ),
    Mutant(
        "the columns of a table are taken in the order of its names",
        "data/example_rows.py",
        "return [names.index(column) for column in columns]",
        "return sorted(names.index(column) for column in columns)",
        "tests/data/test_streaming.py -k columns",
    ),
    # Tables and series.
    Mutant(
        "networks see a gap as the first category",
        "layers/columns.py",
        "(of_column == tf.constant(self._category, value.dtype)) & is_shown",
        "of_column == tf.constant(self._category, value.dtype)",
        "tests/layers/test_columns.py -k missing_category",
    ),
    Mutant(
        "the last edge of a short histogram is in a bin that there is not",
        "layers/histogram.py",
        "tf.minimum(in_bin, tf.constant(self.last, tf.int32))",
        "in_bin",
        "tests/layers/test_columns.py -k share_a_group",
    ),
    Mutant(
        "columns of a group get the parameters of the first",
        "layers/column_groups.py",
        "before + np.arange(most), sum(sizes)",
        "np.arange(most), sum(sizes)",
        "tests/layers/test_columns.py -k share_a_group",
    ),
    Mutant(
        "a weight of all columns is added to theirs",
        "engine/trace.py",
        "(float(weights.flat[0]) - 1) * log_p",
        "float(weights.flat[0]) * log_p",
        "tests/layers/test_columns.py -k same_weight",
    ),
    Mutant(
        "classes follow predictions that tell nothing",
        "layers/shifted_categorical.py",
        "rho = pseudo_labels / (num_labels * explained + pseudo_labels)",
        "rho = pseudo_labels / (num_labels + pseudo_labels)",
        "tests/layers/test_shifted_categorical.py",
    ),
    Mutant(
        "channels of series are standardised by each other's moments",
        "data/preprocessing.py",
        "mean=np.tile(mean, each_time)",
        "mean=np.repeat(mean, each_time)",
        "tests/data/test_series.py -k standardised",
    ),
    Mutant(
        "gaps of a series are lost where sets are taken together",
        "data/series.py",
        "x[is_hidden] = np.nan",
        "x[is_hidden] = 0",
        "tests/data/test_series.py -k hidden",
    ),
    Mutant(
        "predictions take gaps that the networks never saw",
        "data/raw.py",
        "np.isfinite(value) | (limits.gaps & np.isnan(value))",
        "np.isfinite(value) | np.isnan(value)",
        "tests/runs/test_series_runs.py -k complete_series",
    ),
    Mutant(
        "the networks of a run of series do not see its gaps",
        "models/recipe.py",
        'options | ({"gaps": True} if self.data.has_gaps else {})',
        "options",
        "tests/runs/test_series_runs.py -k networks_see",
    ),
    # Networks of images.
    Mutant(
        "no image is inverted",
        "layers/image_network.py",
        "inversion=_INVERTED_SHARE, ",
        "",
        "tests/layers/test_image_network.py -k inverted",
    ),
    Mutant(
        "views of one seed draw the same numbers",
        "layers/random_state.py",
        "return tf.random.experimental.stateless_fold_in(super().next_seed(), own)",
        "return super().next_seed()",
        "tests/layers/test_views.py -k one_seed",
    ),
    # Terms of consistency.
    Mutant(
        "the target of virtual adversarial training is not held",
        "consistency/virtual_adversarial.py",
        "target = {name: tf.stop_gradient(passes.log_q(name)) for name in variables}",
        "target = {name: passes.log_q(name) for name in variables}",
        TERMS,
    ),
    Mutant(
        "pseudo-labels that are not sure count",
        "consistency/views.py",
        "return tf.cast(confidence >= self.threshold, log_p.dtype)",
        "return tf.ones_like(confidence)",
        TERMS,
    ),
    Mutant(
        "class balance counts what fills up a step",
        "consistency/marginals.py",
        "mean = counted.mean(tf.exp(passes.log_q(name)))",
        "mean = tf.reduce_mean(tf.exp(passes.log_q(name)), axis=0)",
        TERMS,
    ),
    Mutant(
        "terms have no weight",
        "models/graphical_model.py",
        'terms["objective"] - term.weight * loss',
        'terms["objective"] - loss',
        STEPS,
    ),
    Mutant(
        "a discriminator helps what it should tell apart",
        "nodes/divergences.py",
        "with keras.StatelessScope(state_mapping=held), precision.casting_once():",
        "with keras.StatelessScope(state_mapping=held):",
        "tests/models/test_divergences.py -k neither",
    ),
    Mutant(
        "the KL stays beside its divergence",
        "engine/trace_bounds.py",
        "for name, ratio in ratios.items() if name not in replaced}",
        "for name, ratio in ratios.items()}",
        "tests/models/test_divergences.py -k notice",
    ),
    Mutant(
        "the weight of a label of images falls with their number",
        "models/objective.py",
        "max(weights.classification_weight, least)",
        "weights.classification_weight",
        "tests/models/test_semi_supervised_model.py -k does_not_fall",
    ),
    Mutant(
        "the ladder's estimates are not normalised by the clean pass",
        "baselines/ladder.py",
        "distance = clean.z[i] - (estimate - clean.mean[i]) / clean.scale[i]",
        "distance = clean.z[i] - estimate",
        "tests/baselines/test_stream_networks.py -k loss_of_the_ladder",
    ),
    Mutant(
        "the costs of the ladder are given from the top down",
        "baselines/ladder.py",
        "zip(reversed(self.costs), self.denoising_costs(clean, noisy), strict=True)",
        "zip(self.costs, self.denoising_costs(clean, noisy), strict=True)",
        "tests/baselines/test_stream_networks.py -k loss_of_the_ladder",
    ),
    Mutant(
        "one draw of the prior serves a whole step",
        "engine/adversaries.py",
        "prior.head.sample(prior.root_distribution(), [num_samples, size], seed)",
        "tf.repeat(prior.head.sample(prior.root_distribution(), [num_samples, 1], seed), size, axis=1)",
        "tests/models/test_divergences.py -k own_draw",
    ),
    Mutant(
        "the real features move towards the generated ones",
        "objectives/adversarial.py",
        "target = tf.stop_gradient(tf.reduce_mean(real, axis=0))",
        "target = tf.reduce_mean(real, axis=0)",
        "tests/objectives/test_adversarial.py -k matching",
    ),
    Mutant(
        "an example is compared with itself",
        "objectives/adversarial.py",
        "cosines = tf.linalg.set_diag(tf.matmul(unit, unit, transpose_b=True), tf.zeros_like(features[:, 0]))",
        "cosines = tf.matmul(unit, unit, transpose_b=True)",
        "tests/objectives/test_adversarial.py -k pull",
    ),
    Mutant(
        "bends of an image are drawn once for a batch",
        "layers/affine.py",
        "tf.random.stateless_normal([*size, 2, _BENDS, _BENDS], seed)",
        "tf.random.stateless_normal([1, 2, _BENDS, _BENDS], seed)",
        "tests/layers/test_affine.py -k bends",
    ),
    Mutant(
        "inner passes leave a trace",
        "models/step_passes.py",
        "with self._noise.scope(same_noise, weights), precision.casting_once():",
        "with precision.casting_once():",
        STEPS,
    ),
    Mutant(
        "ordered categories of Parquet lose their order",
        "data/table_files.py",
        "ordered=array.type.ordered",
        "ordered=False",
        "tests/data/test_tables.py",
    ),
    Mutant(
        "new numbers leave the range of training",
        "schema/digits.py",
        "values = np.clip(values, low, high)",
        "values = np.clip(values, low, np.inf)",
        "tests/schema/test_digits.py",
    ),
    # Labels of people, and the page.
    Mutant(
        "an undo is forgotten",
        "labelling/label_file.py",
        'if event["event"] != "undo":',
        'if event["event"] != "never":',
        "tests/labelling/test_label_file.py -k last_that_holds",
    ),
    Mutant(
        "a half-written line stays before the next",
        "labelling/label_file.py",
        "            stream.truncate(before)",
        "            pass",
        "tests/labelling/test_label_file.py -k half_written",
    ),
    Mutant(
        "labels of other examples are taken",
        "labelling/label_file.py",
        "if differing := [name for name in wanted if not _is_same(head.get(name), wanted[name])]:",
        "if differing := [name for name in ('format',) if not _is_same(head.get(name), wanted[name])]:",
        "tests/labelling/test_label_file.py -k other_examples",
    ),
    Mutant(
        "disagreement is the entropy",
        "labelling/rules.py",
        "return entropy(draws.mean(axis=0)) - entropy(draws).mean(axis=0)",
        "return entropy(draws.mean(axis=0))",
        "tests/labelling/test_rules.py -k disagreement",
    ),
    Mutant(
        "rates of false alarms are those of examples that training saw",
        "trust/novelty.py",
        "return self._replace(scores=np.sort(scores))",
        "return self._replace(scores=np.sort(scores) - 1)",
        "tests/models/test_novelty.py -k held_out",
    ),
    Mutant(
        "rows of a table have the names of others",
        "data/tables.py",
        '{parts[0].ids[index]}" for index in train)',
        '{parts[0].ids[index]}" for index in range(len(train)))',
        "tests/data/test_tables.py -k names_of",
    ),
    Mutant(
        "names of examples stay where they were",
        "data/arrays.py",
        "ids = tuple(np.array(self.ids, object)[index]) if self.ids else ()",
        "ids = self.ids",
        "tests/data/test_data.py -k names_of",
    ),
    Mutant(
        "clusters with a label come first",
        "labelling/rules.py",
        "for cluster in np.lexsort((-sizes, held)):",
        "for cluster in np.lexsort((-sizes, -held)):",
        "tests/labelling/test_rules.py -k wait",
    ),
    Mutant(
        "examples of none of the classes are trained on",
        "data/arrays.py",
        "list(left_out))) if len(left_out) else made",
        "[])) if len(left_out) else made",
        "tests/data/test_data.py -k none_of_the_classes",
    ),
    Mutant(
        "a new class is as likely as the others",
        "models/growing.py",
        "_UNLIKELY = 3.0",
        "_UNLIKELY = -9.0",
        "tests/models/test_growing.py -k stays",
    ),
    Mutant(
        "a run that goes on forgets new labels",
        "runs/run.py",
        "        job.folder.keep_labels(job.labels.content)",
        "        pass",
        "tests/runs/test_given_labels.py -k keeps_them",
    ),
    Mutant(
        "the epochs that are done follow from the steps of today's epochs",
        "runs/training.py",
        "    if rows:\n        return rows[-1]",
        "    if not rows:\n        return rows[-1]",
        "tests/runs/test_given_labels.py -k shorter",
    ),
    Mutant(
        "averages of weights begin at 0 in a grown model",
        "models/growing.py",
        "new.assign(grown(old, new, weight.path, is_average))",
        "None if is_average else new.assign(grown(old, new, weight.path, False))",
        "tests/models/test_growing.py -k averages",
    ),
    Mutant(
        "other hosts are answered",
        "app/server.py",
        'if headers.get("host") not in self.hosts or not is_own:',
        "if not is_own:",
        "tests/app/test_server.py -k other_hosts",
    ),
    Mutant(
        "the maker ignores quantiles",
        "app/maker.py",
        "places = np.clip(wanted, 0, 1) * (len(ordered) - 1)",
        "places = np.clip(wanted, 0.5, 0.5) * (len(ordered) - 1)",
        "tests/app/test_session.py -k maker_takes",
    ),
    Mutant(
        "labelled examples are asked for again",
        "app/annotations.py",
        "found &= (of_all[index] >= 0) | np.isin(index, list(self.labels.values.get(name, ())))",
        "found &= np.isin(index, list(self.labels.values.get(name, ())))",
        "tests/app/test_session.py -k kept_with_the_run",
    ),
)


def survives(mutant: Mutant) -> bool:
    """Whether the tests pass in a copy of the project with the fault."""
    return passes(mutant.tests, mutant)


def passes(tests: str, mutant: Mutant | None = None) -> bool:
    """Whether tests pass in a copy of the project, with a fault or without."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / ROOT.name
        copy.mkdir()
        for path in ROOT.iterdir():
            if path.name not in ("ssdgm_tf", ".git", ".venv", "runs", "tests"):
                (copy / path.name).symlink_to(path)
        for name in ("ssdgm_tf", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            file = copy / "ssdgm_tf" / mutant.file
            file.write_text(file.read_text().replace(mutant.line, mutant.replacement))
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *_words(tests)]
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(copy)})
    if done.returncode not in (0, 1):
        raise RuntimeError(f"The tests of a fault must run. Received: {tests}\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
    return done.returncode == 0


def _words(tests: str) -> list[str]:
    path, _, expression = tests.partition(" -k ")
    return [path, *(["-k", expression] if expression else [])]


def main(words: list[str]) -> int:
    """The command: the number of faults that survive."""
    chosen = [m for m in MUTANTS if not words or any(word in m.file or word in m.fault for word in words)]
    for mutant in chosen:
        count = (ROOT / "ssdgm_tf" / mutant.file).read_text().count(mutant.line)
        if count != 1:
            raise SystemExit(
                f"The line of a fault occurs once in its file. Received: {count} times in {mutant.file}: {mutant.line}"
            )
    tests = sorted({mutant.tests for mutant in chosen})
    survivors, total = [], len(tests) + len(chosen)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=total, unit="run") as bar:
        for name, passed in zip(tests, pool.map(passes, tests), strict=True):
            bar.update()
            if not passed:
                raise SystemExit(f"The tests of a fault must pass without it. Received: {name}, which fails")
        for mutant, lives in zip(chosen, pool.map(survives, chosen), strict=True):
            bar.update()
            if lives:
                survivors.append(mutant)
                bar.write(f"SURVIVES: {mutant.fault} ({mutant.file}), not caught by {mutant.tests}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} faults caught")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
