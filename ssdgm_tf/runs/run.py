"""One run from config to report: its plan, then data, model, training, results and files for each job."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from ssdgm_tf import data, models
from ssdgm_tf.configs.common import EARLIER_EPOCHS
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.models import growing, zoo
from ssdgm_tf.models.examples import examples
from ssdgm_tf.models.failures import DeviceMemoryError
from ssdgm_tf.runs import (
    best_epoch,
    building,
    checkpoints,
    measuring,
    optimisation,
    plan,
    precision,
    report,
    strategies,
    training,
    trusting,
)
from ssdgm_tf.runs.comparisons import ComparedRun, compare
from ssdgm_tf.runs.environment import emulates, environment
from ssdgm_tf.runs.loading import check_schema, load_data
from ssdgm_tf.runs.plan import Job
from ssdgm_tf.runs.training import Execution
from ssdgm_tf.runs.workdir import Served, Workdir, write_json, write_text
from ssdgm_tf.schema import to_document


class _Source(NamedTuple):
    """Where data sets come from; see `load_data`."""

    data_dir: str | None
    download: bool


def train(
    settings: dict[str, Any],
    workdir: str,
    data_dir: str | None = None,
    download: bool = False,
    part_workdir: str | None = None,
    execution: Execution | None = None,
    labels: str | None = None,
) -> dict[str, Any]:
    """Trains the model of `settings` in `workdir`, or goes on with the same run, to the epochs of `settings`.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}; see `ssdgm_tf.configs.common`.
        workdir: folder of the run.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.
        part_workdir: folder of the finished run that this one builds on. With None, such a run is trained in a folder
            of `workdir`.
        execution: how the run is carried out; None for the defaults.
        labels: a file of labels that people gave, see `ssdgm_tf.labelling`; None for those of a run that has begun.

    Returns:
        The results, as in results.json; {} in a worker that is not the chief, because only the chief measures.

    Raises:
        UserError: a bad setting, missing data, a workdir of another run, a full disk, a lost worker, too little memory of
            the device, or a term that is not finite with `execution.debug_nans`.
    """
    execution = execution or Execution()
    with _in_words(workdir, execution):
        given = LabelFile(labels).snapshot() if labels else None  # people may go on labelling
        return _train(settings, Workdir(workdir), _Source(data_dir, download), part_workdir, execution, given)


@contextlib.contextmanager
def _in_words(workdir: str | os.PathLike, execution: Execution) -> Iterator[None]:
    """Within it errors of a training that a user can mend are raised as such.

    Raises:
        UserError: see `train`.
    """
    try:
        yield
    except FloatingPointError as error:
        raise UserError(str(error)) from error
    except DeviceMemoryError as error:
        raise UserError(f"{error}. The last checkpoint, in {workdir}, is undamaged") from error
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        if strategies.is_lost_worker(error, execution.devices):
            raise UserError(
                "A step needs every worker: start the same command on all of them again, and it resumes from the last "
                f"checkpoint. Received: a worker that is gone ({str(error).splitlines()[0]})"
            ) from error
        if not checkpoints.is_disk_full(error):
            raise
        raise UserError(
            f"A run needs room on the disk: free some, then run the same command to resume. Received: no space left in "
            f"{workdir}, where the last checkpoint is undamaged"
        ) from error


def calibrate(
    folder: Workdir, data_dir: str | None, download: bool, by: str, number: int, method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibrates the model of a finished run, and writes its model, its results and its report anew.

    Args:
        folder: the folder of the run.
        data_dir: as in `train`.
        download: as in `train`.
        by: "folds" or "validation"; see `ssdgm_tf.runs.trusting`.
        number: of folds.
        method: as in `GraphicalModel.calibrate`.

    Returns:
        The results before and after.

    Raises:
        UserError: a model without classes, or what `trusting` refuses.
    """
    settings = folder.load_config()
    settings.pop(EARLIER_EPOCHS, None)
    before, config = folder.load_results() or {}, settings["config"]
    precision.choose_products(settings["precision"])
    model = checkpoints.load(folder.model)
    if not isinstance(model, models.GraphicalModel) or not model.data_format.classes:
        raise UserError(
            f"Calibration is for models that infer a class. Received: {folder.path}, of a {type(model).__name__}"
        )
    dataset = load_data(config, data_dir, download, folder)
    check_schema(dataset, model, folder)
    with _in_words(folder.path, Execution()):
        if by == "validation":
            trusting.by_validation(model, dataset, method)
        else:
            trusting.by_folds(model, settings, dataset, folder, number, method)
        checkpoints.save(model, folder.model)
    results = before | measuring.of_predictions(model, *examples(model, dataset.x_test, dataset.y_test))
    write_json(folder.results, results)
    report.write(model, dataset, folder.load_config(), results, folder)
    return before, results


def _train(
    settings: dict[str, Any],
    folder: Workdir,
    source: _Source,
    part_workdir: str | None,
    execution: Execution,
    labels: LabelFile | None,
) -> dict[str, Any]:
    precision.choose_products(settings["precision"])
    settings, dataset = _with_epochs(settings, folder, source, labels)
    jobs = plan.make(settings, folder, part_workdir, labels, execution.budget)
    whole = jobs[-1]
    if execution.budget is not None and (whole.is_baseline or strategies.is_multi_worker(execution.devices)):
        received = settings["config"]["model"] if whole.is_baseline else "several workers"
        raise UserError(
            f"--budget is for models, on one machine: all workers must take the same steps. Received: {received}"
        )
    if whole.is_baseline and execution.devices.num_replicas_in_sync > 1:
        name = settings["config"]["model"]
        raise UserError(f"A baseline is fitted on one device: --strategy must be none. Received: {name}")
    if whole.part_folder is not None:
        dataset = _check_before_parts(whole, whole.part_folder, source, execution)
    for part in jobs[:-1]:
        _carry_out(part, source, execution._replace(budget=None))
    return _carry_out(whole, source, execution, dataset)


def _with_epochs(
    settings: dict[str, Any], folder: Workdir, source: _Source, labels: LabelFile | None = None
) -> tuple[dict[str, Any], data.SemiSupervisedData | None]:
    """The settings with the epochs that they leave open, by 0; and the data set, if that needed it.

    Only models that infer labels and build on no other may leave them open.
    """
    config = settings["config"]
    kind = zoo.find(config["model"]) if config["model"] in zoo.names() else None
    if config["epochs"] != 0 or kind is None or kind.part_of(config) or not (kind.takes_tables or kind.takes_classifier):
        return settings, None
    plan.check_fields(config | {"epochs": 1})
    if folder.config.exists():
        return settings | {"config": config | {"epochs": folder.load_config()["config"]["epochs"]}}, None
    dataset = load_data(config, *source, labels=labels)
    return settings | {"config": config | {"epochs": optimisation.epochs_for(config, dataset)}}, dataset


def _check_before_parts(
    whole: Job, part_folder: Workdir, source: _Source, execution: Execution
) -> data.SemiSupervisedData | None:
    """Checks a run before its part is trained. Returns its data set, if the check needed it.

    Raises:
        UserError: the model refuses a field, or the part is not finished where several workers train.
    """
    dataset = None
    if not whole.is_baseline and not checkpoints.exists(whole.folder.model):
        dataset = load_data(whole.settings["config"], *source, whole.folder, whole.labels)
        building.model(whole.settings, dataset)
    if strategies.is_multi_worker(execution.devices) and not part_folder.results.exists():
        raise UserError(
            "On several workers the model that a run builds on must be finished: train it first, and give it by --part. "
            f"Received: {part_folder.path}, without results.json"
        )
    if strategies.is_chief(execution.devices):
        _claim(whole)
    return dataset


def _carry_out(
    job: Job, source: _Source, execution: Execution, dataset: data.SemiSupervisedData | None = None
) -> dict[str, Any]:
    """Carries out one job and returns its results. Loads its data set unless that is given."""
    if job.is_finished:
        print(f"The run in {job.folder.path} is finished: there is nothing to train.")
        return job.folder.load_results() or {}
    if job.settings["config"]["epochs"] == 0:  # of a part, whose data are loaded only now
        settings, dataset = _with_epochs(job.settings, job.folder, source, job.labels)
        job = job._replace(settings=settings)
    dataset = load_data(job.data_config, *source, job.folder, job.labels) if dataset is None else dataset
    part = _load_part(job, dataset, execution)
    if job.is_baseline:
        _claim(job)
        results = measuring.measure_baseline(job.settings["config"], dataset, part)
        return _finish(job, results)
    return _train_model(job, dataset, part, execution)


def _load_part(job: Job, dataset: data.SemiSupervisedData, execution: Execution) -> models.GraphicalModel | None:
    """The trained model that a job builds on. Its results are copied into the job's folder.

    Raises:
        UserError: an unsuitable model, or one of examples with another preprocessing.
    """
    if job.part is None or job.part_folder is None:
        return None
    part = checkpoints.load(job.part_folder.model)
    if not isinstance(part, models.GraphicalModel) or not job.part.is_suitable(part):
        raise UserError(
            f"--part must be a run of {job.part.kind}. Received: {job.part_folder.path}, of a {type(part).__name__}"
        )
    preprocessing = job.part_folder.load_data().preprocessing
    if type(preprocessing) is not type(dataset.preprocessing):
        of_part, own = (fitted.values if fitted else "as they are" for fitted in (preprocessing, dataset.preprocessing))
        raise UserError(f"{job.part.rule}. Received: examples {own}, where {job.part_folder.path} has them {of_part}")
    if strategies.is_chief(execution.devices):
        write_json(job.folder.part_results(job.part.field), job.part_folder.load_results())
    return part


def _train_model(
    job: Job, dataset: data.SemiSupervisedData, part: models.GraphicalModel | None, execution: Execution
) -> dict[str, Any]:
    """Trains, measures and reports a model; returns {} where another worker writes the results."""
    settings, folder = job.settings, job.folder
    config, is_chief = settings["config"], strategies.is_chief(execution.devices)
    if settings["precision"] == "tf32" and not tf.config.list_physical_devices("GPU"):
        print("tf32 is for GPUs: without one, products are of float32.")
    if emulates(settings["precision"]):
        print(f"This processor has no instructions for {settings['precision']}: float32 is faster here.")
    is_new = not checkpoints.exists(folder.model)
    with execution.devices.scope():
        model = building.model(settings, dataset, part) if is_new else checkpoints.load(best_epoch.newest(folder))
    if not is_new:
        model = _with_new_classes(model, settings, dataset, job, execution)
        check_schema(dataset, model, folder)
        optimisation.reschedule(model, config, dataset, training.epochs_done(model, config, dataset, folder))
    if is_chief:
        _claim(job)
        best_epoch.reopen(folder)
        kept = dataset.raw_shape, dataset.class_names, dataset.raw_dtype, dataset.preprocessing, dataset.columns
        folder.save_data(Served(*kept, dataset.decimals))
        if dataset.schema is not None and dataset.targets is not None:
            write_text(folder.schema, to_document(dataset.schema, dataset.targets))
            print(f"The columns are kept in {folder.schema}; --config.schema takes an edited copy.")
    model = training.fit(model, config, dataset, folder, execution)
    if not is_chief:
        return {}
    if model.is_distributed:
        model = checkpoints.load(folder.model)  # measured on one device
    part_file: Path | None = job.part_folder.model if job.part_folder else None
    trusting.learn_known_examples(model, dataset, folder)
    results = measuring.measure(model, config, dataset) | compare(ComparedRun(model, settings, dataset, part_file))
    results = _finish(job, results | training.ending(config, folder, execution.budget))
    report.write(model, dataset, folder.load_config(), results, folder)
    return results


def _with_new_classes(
    model: models.GraphicalModel,
    settings: dict[str, Any],
    dataset: data.SemiSupervisedData,
    job: Job,
    execution: Execution,
) -> models.GraphicalModel:
    """The model, grown where people have named classes that it does not know.

    Raises:
        UserError: a model that builds on another one, that cannot grow, or that knows more classes.
    """
    known = 0 if isinstance(dataset.y_train, dict) else model.data_format.classes.get("y", 0)
    if not known or known == dataset.num_classes:
        return model
    if known > dataset.num_classes:
        raise UserError(
            f"Labels must have the classes that the model has learned, {known}. Received: {dataset.num_classes} of them for "
            f"{job.folder.path}"
        )
    if job.part is not None:
        raise UserError(
            "A new class is for a model that builds on no other; a new run with --labels learns it from the start. "
            f"Received: {job.folder.path}, of a {type(model).__name__}"
        )
    for path in (job.folder.best, job.folder.best_score):  # of a model with fewer classes
        path.unlink(missing_ok=True)
    with execution.devices.scope():
        grown = building.model(settings, dataset)
        try:
            growing.grow(grown, model, dataset.num_classes, known)
        except ValueError as error:
            raise UserError(f"A new run with --labels learns a new class that this one cannot: {error}") from error
    print(f"The model knows {dataset.num_classes} classes now; new: {', '.join(dataset.class_names[known:])}.")
    return grown


def _claim(job: Job) -> None:
    """Claims the job's folder, and says where the run in it goes on for more epochs."""
    config = job.settings["config"]
    if job.folder.has_begun and job.folder.lacks_epochs(job.settings):
        before = job.folder.load_config()["config"]["epochs"]
        is_constant = config["learning_rate_schedule"] == "constant"
        rate = "" if is_constant else f"; from here on the learning rate is that of a run of {config['epochs']} epochs"
        print(f"This run of {before} epochs goes on to {config['epochs']}{rate}.")
    if job.labels is not None:
        job.folder.keep_labels(job.labels.content)
    job.folder.claim(job.settings, job.budget)


def _finish(job: Job, results: dict[str, Any]) -> dict[str, Any]:
    """Writes results.json, with the training time of the part and the environment."""
    if job.part is not None:
        seconds = json.loads(job.folder.part_results(job.part.field).read_text())["training_seconds"]
        results |= {f"{job.part.field}_seconds": seconds, "training_seconds": results["training_seconds"] + seconds}
    results |= {"environment": environment()}
    write_json(job.folder.results, results)
    return results
