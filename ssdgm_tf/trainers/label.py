"""Asks for the labels that help a run most, in the browser, and trains it on with them.

    ssdgm-label --workdir=runs/m2_digits
    ssdgm-train --config=m2_digits --labels=runs/m2_digits/labels.jsonl --workdir=runs/more_labels

The keys 0 to 9 and a to z label an example, space skips it, minus says "none of these", backspace undoes, and plus adds a
class. Every label is in labels.jsonl, in the folder of the run, before the next example shows. "Train on" goes on with the
run for a quarter of its epochs, with the labels so far. It is the page of ssdgm-explore, opened where one labels.
"""

from ssdgm_tf.trainers import flags as command

command.define_page()


def cli() -> None:
    """The console script."""
    command.run(lambda: command.serve_page("label"), __doc__)


if __name__ == "__main__":
    cli()
