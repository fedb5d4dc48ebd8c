"""What becomes of each input, wherever it comes from: docs/inputs_table.md, which `python -m tests.inputs` writes.

`changes` are the inputs, `calls` and `files` read them, `page` writes what came of it.
"""
