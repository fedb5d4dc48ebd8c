"""The completion of a command in bash and zsh. Imports no TensorFlow."""

from absl import flags

from ssdgm_tf.configs import presets

_SCRIPT = """\
[ -n "$ZSH_VERSION" ] && autoload -U +X bashcompinit && bashcompinit
{function}() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" flag="${{COMP_WORDS[COMP_CWORD-1]}}"
  [ "$word" = "=" ] && word=""
  [ "$flag" = "=" ] && flag="${{COMP_WORDS[COMP_CWORD-2]}}"
  case "$flag" in
{values}
    *) COMPREPLY=($(compgen -W "{names}" -- "$word")) ;;
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
    if "config" in found:
        words["config"] = presets()
    values = "\n".join(
        f'    --{name}) COMPREPLY=($(compgen -W "{" ".join(known)}" -- "$word")) ;;' for name, known in words.items()
    )
    names = " ".join(f"--{name}" if flag.boolean else f"--{name}=" for name, flag in sorted(found.items()))
    return _SCRIPT.format(function=f"_{command.replace('-', '_')}", values=values, names=names, command=command)
