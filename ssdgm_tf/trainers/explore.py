"""Shows in the browser what a run has learned: a map of the examples, a maker of new ones, a reader of files, labelling.

    ssdgm-explore --workdir=runs/m2_digits

The page is served on 127.0.0.1, to this machine only, under an address with a secret. It takes nothing from elsewhere, and
works offline. It needs the extra "app": pip install 'ssdgm_tf[app]'.
"""

from ssdgm_tf.trainers import flags as command

command.define_page()


def cli() -> None:
    """The console script."""
    command.run(lambda: command.serve_page(""), __doc__)


if __name__ == "__main__":
    cli()
