"""The completion of a command in bash and zsh. Imports no TensorFlow."""

from absl import flags

from ssdgm_tf.configs import presets
from ssdgm_tf.tables.definitions import TABLES

_SCRIPT = """\
if [ -n "$ZSH_VERSION" ]; then
  whence compdef > /dev/null || {{ autoload -Uz compinit && compinit; }}
  autoload -Uz bashcompinit && bashcompinit
fi
{function}() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" flag="${{COMP_WORDS[COMP_CWORD-1]}}" before=""
  COMPREPLY=()
  case "$word" in
    --*=*) flag="${{word%%=*}}" before="${{word%%=*}}=" word="${{word#*=}}" ;;  # zsh, which splits no word at =
    =) word="" ;;
  esac
  [ "$flag" = "=" ] && flag="${{COMP_WORDS[COMP_CWORD-2]}}"
  case "$flag" in
{values}
    *) case "$word" in -*) COMPREPLY=($(compgen -W "{names}" -- "$word")) ;; esac ;;
  esac
}}
complete -o nospace -o default -F {function} {command}
"""


def script(command: str, groups: list[str]) -> str:
    """A script for `eval "$(COMMAND --completion)"`: the names of flags, of presets, and of the values of a choice.

    Args:
        command: the name of the command.
        groups: the groups of its flags.
    """
    found = {flag.name: flag for group in groups for flag in flags.FLAGS.get_key_flags_for_module(group)}
    words = {name: flag.parser.enum_values for name, flag in found.items() if hasattr(flag.parser, "enum_values")}
    words |= {name: known for name, known in (("config", presets()), ("table", list(TABLES))) if name in found}
    values = "\n".join(
        f'    --{name}) COMPREPLY=($(compgen -P "$before" -W "{" ".join(known)}" -- "$word")) ;;'
        for name, known in words.items()
    )
    names = " ".join(f"--{name}" if flag.boolean else f"--{name}=" for name, flag in sorted(found.items()))
    return _SCRIPT.format(function=f"_{command.replace('-', '_')}", values=values, names=names, command=command)
