"""What is counted of the first page."""

import pytest

from website import first_page

PAGE = """<html><head>
<link rel="stylesheet" href="a.css?v=1"><link rel="next" href="other.html"><script src="sub/b.js"></script><script>1</script>
<script src="https://elsewhere.org/c.js"></script></head>
<body><img src="data:image/png;base64,AAAA"><img src="d.png"><img src="d.png"><a href="e.pdf">e</a></body></html>
"""


def test_the_page_and_each_file_that_it_loads_count_once(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, size in (("a.css", 10), ("sub/b.js", 200), ("d.png", 3000), ("e.pdf", 9), ("other.html", 9)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "index.html").write_text(PAGE)
    assert first_page.size(tmp_path / "index.html") == len(PAGE) + 3210
    (tmp_path / "d.png").unlink()
    with pytest.raises(FileNotFoundError):
        first_page.size(tmp_path / "index.html")
