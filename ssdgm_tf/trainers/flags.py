"""The flags of the commands, and how `--config=NAME:ARGS` finds its file. Imports no TensorFlow."""

import getpass
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from ssdgm_tf import choices, durations
from ssdgm_tf.configs import presets
from ssdgm_tf.errors import UserError
from ssdgm_tf.files import json_text
from ssdgm_tf.runs import compilation_cache
from ssdgm_tf.runs.names import PRECISIONS, STRATEGIES
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.trainers import completion, help_text, printing

# The errors of ml_collections for an unknown field, a wrong type, or a config file that fails.
_CONFIG_ERRORS = (AttributeError, KeyError, TypeError, ValueError)

# The groups of flags.
WHAT = "What it does"
FILES = "Files"
TRAINING = "How it trains"
MACHINE = "On which machine"
OUTPUT = "What it prints"
#: In the order of --help.
GROUPS = [WHAT, FILES, TRAINING, MACHINE, OUTPUT]

CONFIGS = Path(__file__).parent.parent / "configs"
DEFAULT_CONFIG = "m2_digits"


flags.DEFINE_bool("quiet", False, "Print nothing but errors, and no progress.", module_name=OUTPUT)
flags.DEFINE_bool(
    "json", False, "Print one JSON object when it is done; everything else goes to the error output.", module_name=OUTPUT
)
flags.DEFINE_bool(
    "completion", False, 'Print the completion for bash and zsh: eval "$(COMMAND --completion)".', module_name=OUTPUT
)


def define_workdir() -> None:
    """--workdir, --data_dir and --download."""
    flags.DEFINE_string(
        "workdir", None, "Folder of the run: its config, checkpoints, metrics and report.", module_name=FILES
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of prepared TensorFlow Datasets, and of files and folders that --config.data names; by default that of TFDS "
        "and the current folder.",
        module_name=FILES,
    )
    flags.DEFINE_bool("download", False, "Download and prepare the data set if it is not prepared.", module_name=FILES)


def trained_run() -> Workdir:
    """The folder that --workdir names, of a run that has trained a model.

    Raises:
        UserError: no run, or a run of a baseline.
    """
    if flags.FLAGS.workdir is None:
        raise UserError("--workdir must name the folder of a run. Received: none")
    folder = Workdir(flags.FLAGS.workdir)
    folder.load_config()
    if folder.is_of_baseline:
        raise UserError(f"A baseline keeps no model. Received: {folder.path}; see its results.json")
    return folder


def table_path(name: str) -> Path:
    """The file of a table that a flag names.

    Args:
        name: the flag.

    Raises:
        UserError: none, or a file of another suffix.
    """
    from ssdgm_tf.data import table_files

    value = flags.FLAGS[name].value
    if value is None:
        raise UserError(f"--{name} must be given. Received: none")
    try:
        table_files.check_suffix(f"--{name}", Path(value))
    except ValueError as error:
        raise UserError(str(error)) from error
    return Path(value)


def define_training() -> None:
    """The flags of `ssdgm-train`."""
    define_workdir()
    config_flags.DEFINE_config_file(
        "config",
        None,
        "Experiment: a preset (--list shows them), with arguments, NAME:labels=100,seed=0; your own FILE.py; or the "
        "config.json of a run. --config.FIELD=VALUE overrides a field. "
        f"(default: {DEFAULT_CONFIG})",
    )
    flags.FLAGS.register_key_flag_for_module(WHAT, flags.FLAGS["config"])
    flags.DEFINE_bool("list", False, "Show the presets, and what was measured with each.", module_name=WHAT)
    flags.DEFINE_string(
        "part",
        None,
        "Folder of a finished run that this one builds on. By default that run is trained inside WORKDIR.",
        module_name=FILES,
    )
    flags.DEFINE_string(
        "labels",
        None,
        "File of labels that people gave with ssdgm-label, which come beside those of the config. A run that goes on for "
        "more --config.epochs may take new ones.",
        module_name=FILES,
    )
    flags.DEFINE_float(
        "checkpoint_seconds",
        15.0,
        "Shortest time between two checkpoints, which are saved at the end of an epoch.",
        lower_bound=0.0,
        module_name=TRAINING,
    )
    define_budget("the run, over all its starts; it ends after the last epoch that fits")
    flags.DEFINE_bool(
        "debug_nans", False, "Stop at the first term that is not finite, and name it; slower.", module_name=TRAINING
    )
    flags.DEFINE_enum(
        "strategy",
        "none",
        STRATEGIES,
        "Devices: mirrored, all of this machine; multi_worker, the cluster of TF_CONFIG.",
        module_name=MACHINE,
    )
    flags.DEFINE_enum(
        "jit_compile",
        "auto",
        ["auto", "on", "off"],
        "XLA; auto is Keras' choice: on with a GPU.",
        module_name=MACHINE,
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        PRECISIONS,
        "Compute type; weights stay float32. tf32: a GPU rounds factors of products.",
        module_name=MACHINE,
    )


def define_budget(of: str) -> None:
    """--budget.

    Args:
        of: what the budget is of, in words.
    """
    text = f"Time of training, such as 3h or 1h30m, of {of}. By default there is no limit."
    flags.DEFINE_string("budget", None, text, module_name=TRAINING)


def budget() -> float | None:
    """The seconds of --budget, or None.

    Raises:
        UserError: a time of another form.
    """
    try:
        return None if flags.FLAGS.budget is None else durations.parse(flags.FLAGS.budget)
    except ValueError as error:
        raise UserError(f"--budget: {error}") from error


def define_page() -> None:
    """The flags of the commands that serve the page."""
    define_workdir()
    flags.DEFINE_integer(
        "port", 0, "Port of the page; 0 for a free one.", lower_bound=0, upper_bound=65535, module_name=WHAT
    )
    flags.DEFINE_bool("open", True, "Open a browser.", module_name=WHAT)
    flags.DEFINE_string(
        "annotator",
        "",
        "Who labels; it is kept with every label. By default the user of this machine.",
        module_name=WHAT,
    )


def serve_page(tab: str) -> dict[str, Any]:
    """Serves the page of the run that --workdir names, until it is interrupted, and returns what --json prints.

    Args:
        tab: the tab that it opens; "" for the first.

    Raises:
        UserError: no run of a model that infers a class, a run that is open already, a port in use, or no extra "app".
    """
    values, folder = flags.FLAGS, trained_run()
    if values.quiet and not values.open:
        raise UserError("--quiet hides the address of the page, so that it needs --open. Received: --quiet --noopen")
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise UserError("The page needs the extra \"app\": pip install 'ssdgm_tf[app]'. Received: an install without it")
    import_tensorflow_quietly()
    import tensorflow as tf

    from ssdgm_tf.app import server
    from ssdgm_tf.app.session import Session

    for device in tf.config.list_physical_devices("GPU"):  # "train on" is another process, which needs memory too
        tf.config.experimental.set_memory_growth(device, True)
    with server.alone(folder.path) as lock:
        session = Session(folder, values.data_dir, values.download, values.annotator or _user())
        server.serve(session, values.port, tab, values.open, lock)
    labels = str(folder.labels) if folder.labels.exists() else None
    print(f"The page is closed. Labels are in {labels}" if labels else "The page is closed.")
    return {"labels": labels}


def _user() -> str:
    """The name of the user of this machine; "" where it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and finds its devices without its C++ messages; errors still raise. XLA keeps its programs."""
    compilation_cache.use()
    # Level 2 would show an error for every program that is read from the cache, which is tried as text first.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def resolve_config(argv: list[str]) -> list[str]:
    """`argv` with the value of --config, given or default, as a path that `config_flags` understands."""
    resolved = list(argv)
    if not any(word.split("=")[0] in ("--config", "-config") for word in argv):
        resolved.insert(1, f"--config={_config_path(DEFAULT_CONFIG)}")
        return resolved
    for i, word in enumerate(argv):
        if word in ("--config", "-config") and i + 1 < len(argv):
            resolved[i + 1] = _config_path(argv[i + 1])
        elif word.startswith(("--config=", "-config=")):
            resolved[i] = f"--config={_config_path(word.partition('=')[2])}"
    return resolved


def _config_path(value: str) -> str:
    name, colon, arguments = value.partition(":")
    known = presets()
    if name in known:
        return f"{CONFIGS / name}.py{colon}{arguments}"
    if name.endswith(".json") and Path(name).is_file():
        return f"{CONFIGS / 'from_json.py'}:{name}"
    if name.endswith(".py") and Path(name).is_file():
        return value
    raise UserError(
        f"--config must be one of {', '.join(known)}, or an existing .py or .json file. Received: {name!r}"
        f"{choices.nearest(name, known)}"
    )


def run(main: Callable[[], dict[str, Any] | None], description: str) -> None:
    """Parses the flags and calls `main()`; a user's mistake ends in one message, without a traceback.

    `main` imports TensorFlow itself, so that --help does not wait for it.

    Args:
        main: a function without arguments, which returns what --json prints.
        description: the text that --help prints above the flags.
    """
    command = Path(sys.argv[0]).name
    try:
        if {"--help", "-help", "-h", "--helpfull"} & set(sys.argv[1:]):
            printing.whole(help_text.of_flags(description, GROUPS))
            return
        rest = flags.FLAGS(resolve_config(sys.argv) if "config" in flags.FLAGS else sys.argv)[1:]
        if rest:
            raise UserError(f"{command} takes flags only. Received: {rest}")
        if flags.FLAGS.completion:
            printing.whole(completion.script(command, GROUPS))
            return
        if "list" in flags.FLAGS and flags.FLAGS.list:
            printing.whole(json_text(help_text.presets(), indent=1) if flags.FLAGS.json else help_text.of_presets())
            return
        with printing.directed(flags.FLAGS.quiet, flags.FLAGS.json):
            found = main()
        if flags.FLAGS.json and found is not None:
            printing.whole(json_text(printing.finite(found), indent=1))
    except KeyboardInterrupt:
        print("\nInterrupted. The saved files are undamaged; the same command resumes the run.", file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        sys.exit(f"{command}: {error}")
    except (flags.Error, *_CONFIG_ERRORS) as error:
        if flags.FLAGS.is_parsed():
            raise
        sys.exit(f"{command}: {_explain(error)}")


def _explain(error: Exception) -> str:
    """The error of absl or ml_collections, which may hold several lines and a traceback, as one line."""
    if isinstance(error, AttributeError | KeyError):
        inner = error.args[0] if error.args else ""
        message = inner.args[0] if isinstance(inner, KeyError) else str(inner)
        return f"--config.FIELD must name a field of the config. Received: {' '.join(message.split())}"
    lines = str(error).strip().splitlines()
    return lines[-1].removeprefix("ValueError: ") if "Traceback" in str(error) else " ".join(lines)
