"""The plan of a run: first the runs that it builds on, in order, then the run itself."""

import importlib
import inspect
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ssdgm_tf import baselines, choices, data
from ssdgm_tf.configs import presets
from ssdgm_tf.configs.common import model_config
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.models import zoo
from ssdgm_tf.models.experiment import FEATURES, LABELLER, Part
from ssdgm_tf.runs import checkpoints, comparisons
from ssdgm_tf.runs.workdir import Workdir

_POSITIVE = (
    "epochs",
    "target_steps",
    "batch_size",
    "labelled_batch_size",
    "learning_rate",
    "num_importance_samples",
    "num_samples",
)
# Why a baseline does not have a field that every config has.
_NOT_OF_BASELINES = {
    "balance": "a baseline takes its labels as they are",
    "keep": "a baseline keeps its last weights",
    "consistency": "a baseline has no such terms",
    "labels_first_steps": "a baseline takes all its examples at once",
    "labels_spread": "a baseline takes its labels as they are",
    "bending": "a baseline has its own network",
    "colours": "a baseline has its own network",
}


# The budget of a part: one that a budget ended stays as it is.
_AS_IT_IS = 0.0


class Job(NamedTuple):
    """One run of a plan.

    Attributes:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}.
        folder: its folder.
        part: the kind of model that it builds on, or None.
        part_folder: the folder of the run that it builds on; None where that run is not needed.
        labels: those that people gave, as they were when the run was asked for; None for those of the folder.
        budget: seconds of training; None for no limit.
    """

    settings: dict[str, Any]
    folder: Workdir
    part: Part | None
    part_folder: Workdir | None
    labels: LabelFile | None = None
    budget: float | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it fits a baseline instead of a model."""
        return is_baseline(self.settings["config"])

    @property
    def data_config(self) -> dict[str, Any]:
        """The config that its data set is loaded by. A baseline has no likelihood, but the model of its features may."""
        config = self.settings["config"]
        if not self.is_baseline:
            return config
        of_part = self.part_folder.load_config()["config"] if self.part_folder else {"likelihood": "normal"}
        return config | {"likelihood": of_part["likelihood"]}

    @property
    def is_finished(self) -> bool:
        """Whether its folder holds its results and its report. A baseline has no report."""
        has_all = self.folder.results.exists() and (self.is_baseline or self.folder.report.exists())
        return has_all and not self.folder.lacks_epochs(self.settings) and not self.folder.was_cut(self.budget)


def is_baseline(config: Mapping[str, Any]) -> bool:
    """Whether the config names a baseline instead of a model.

    Args:
        config: the fields.
    """
    return config["model"] in baselines.names.NAMES


def make(
    settings: dict[str, Any],
    folder: Workdir,
    part_folder: str | None = None,
    labels: LabelFile | None = None,
    budget: float | None = None,
) -> list[Job]:
    """The jobs of a run, in the order in which they must be done; the last is the run itself.

    Args:
        settings: the settings of the run.
        folder: the folder of the run.
        part_folder: the folder of the run that it builds on; None for a folder inside its own.
        labels: those that people gave, of the run itself.
        budget: of the run itself, seconds of training; None for no limit.

    Raises:
        UserError: a bad field, a workdir of another run, or an unsuitable part.
    """
    check_fields(settings["config"])
    jobs = [_job(settings, folder, part_folder, budget)._replace(labels=labels)]
    if labels is not None and jobs[0].part is LABELLER:
        raise UserError(
            "The labels of a second stage are those of its labeller: train that with --labels, and give it by --part. "
            f"Received: --labels={labels.path}"
        )
    if labels is not None:
        folder.check_labels(labels.path, settings)
    if part_folder and jobs[0].part is None:
        raise UserError(
            "--part needs a config that builds on another run, such as m1m2_mnist. "
            f"Received: config.model={settings['config']['model']!r}"
        )
    if part_folder and jobs[0].part_folder is not None and not jobs[0].part_folder.results.exists():
        raise UserError(f"--part must be the folder of a finished run. Received: {part_folder}, without results.json")
    while (needed := jobs[0].part_folder) is not None:
        jobs.insert(0, _job(_part_settings(jobs[0], needed), needed, None, _AS_IT_IS))
    return jobs


def check_fields(config: Mapping[str, Any]) -> None:
    """Refuses fields that no run can have.

    Args:
        config: the fields.

    Raises:
        UserError: a number that is not positive, or a field that is not the model's.
    """
    for name in _POSITIVE:
        if not config[name] > 0:
            raise UserError(f"config.{name} must be positive. Received: config.{name}={config[name]!r}")
    if config["labels_first_steps"] < 0:
        raise UserError(
            "config.labels_first_steps must not be negative. "
            f"Received: config.labels_first_steps={config['labels_first_steps']!r}"
        )
    usual = model_config()
    for name, why in _NOT_OF_BASELINES.items():
        if config[name] != usual[name] and is_baseline(config):
            raise UserError(
                f"config.{name} is for models: {why}. "
                f"Received: config.{name}={config[name]!r}, config.model={config['model']!r}"
            )
    if foreign := _foreign_fields(config):
        raise UserError(f"A config has the fields of its model: {config['model']} takes none of these. Received: {foreign}")


def _foreign_fields(config: Mapping[str, Any]) -> str:
    """The fields in use that neither every run nor the config's model has, with their values."""
    allowed = _own_fields(config) | set(model_config())
    # "" and False: not used
    return ", ".join(f"config.{name}={value!r}" for name, value in config.items() if value and name not in allowed)


def _own_fields(config: Mapping[str, Any]) -> set[str]:
    """The fields that only the config's model may have."""
    part = _builds_on(config)
    own = {part.field} if part else set()
    if is_baseline(config):
        return own
    if config["model"] not in zoo.names():
        return set(config)  # an unknown model is refused where it would be made
    return own | set(inspect.signature(zoo.find(config["model"]).model.__init__).parameters)


def _builds_on(config: Mapping[str, Any]) -> Part | None:
    """The part that a baseline or a model may build on."""
    if is_baseline(config):
        return FEATURES
    return zoo.find(config["model"]).builds_on if config["model"] in zoo.names() else None


def _job(settings: dict[str, Any], folder: Workdir, part_folder: str | None, budget: float | None = None) -> Job:
    """The job, with the part that it builds on."""
    folder.check(settings)
    part = _part(settings["config"])
    job = Job(settings, folder, part, None, budget=budget)
    if part is None or not _needs_part(job):
        return job
    return job._replace(part_folder=Workdir(part_folder or folder.path / part.field))


def _part(config: Mapping[str, Any]) -> Part | None:
    """The part that the config builds on.

    Raises:
        UserError: the field of the part does not name a preset.
    """
    part = _builds_on(config)
    if part is None or not (name := config.get(part.field)):
        return None
    choices.check(f"config.{part.field}", name, presets(), UserError)
    return part


def _needs_part(job: Job) -> bool:
    """Whether the part itself is needed: for a new run, or for comparisons that train a new model on it."""
    if job.is_finished:
        return False
    if job.is_baseline or not checkpoints.exists(job.folder.model):
        return True
    return comparisons.need_part(zoo.find(job.settings["config"]["model"]).comparisons)


def _part_settings(job: Job, folder: Workdir) -> dict[str, Any]:
    """The settings of a job's part: those in its folder, or those of its preset where the folder is new.

    Raises:
        UserError: the run in the folder, or the preset, is unsuitable.
    """
    config, part = job.settings["config"], job.part
    if part is None:
        raise ValueError("Only a job with a part has settings of a part.")
    if folder.config.exists():
        settings, holder = folder.load_config(), str(folder.path)
        if foreign := _foreign_fields(settings["config"]):
            raise UserError(
                f"A config has the fields of its model, and {holder} has others: train it anew. Received: {foreign}"
            )
    else:
        preset = importlib.import_module(f"ssdgm_tf.configs.{config[part.field]}").get_config().to_dict()
        settings = {**job.settings, "config": preset | {"seed": config["seed"]} | part.inherits(config)}
        holder = f"the preset {config[part.field]}"
    own, wanted = settings["config"], part.requires(config)
    if differing := [name for name, value in wanted.items() if _plain(name, own.get(name)) != _plain(name, value)]:
        name = differing[0]
        raise UserError(f"{part.rule}. Received: config.{name}={config[name]!r}, where {holder} has {own.get(name)!r}")
    return settings


def _plain(name: str, value: Any) -> str:
    """A field as it is compared. "auto" and "none" do the same to images; of vectors the loaded data tell (see `run`)."""
    return json.dumps(data.of_images(value) if name == "preprocessing" else value)
