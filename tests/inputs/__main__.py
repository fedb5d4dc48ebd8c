"""`python -m tests.inputs`: writes docs/inputs_table.md, in about a minute."""

from tests.inputs import page

page.PAGE.write_text(page.text({source: page.column(source) for source in page.SOURCES}))
