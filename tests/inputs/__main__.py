"""`python -m tests.inputs`: writes docs/inputs_table.md and docs/inputs_of_tables.md, in about a minute."""

from tests.inputs import page, tables

page.PAGE.write_text(page.text({source: page.column(source) for source in page.SOURCES}))
tables.PAGE.write_text(tables.text())
