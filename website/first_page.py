"""What a reader loads with the first page of the site."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that name a file which a browser loads with a page, by tag.
_LOADED = {"link": "href", "script": "src", "img": "src"}


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.files: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = urlsplit(given.get(_LOADED.get(tag, "")) or "")
        is_loaded = tag != "link" or {"stylesheet", "icon"} & set((given.get("rel") or "").split())
        if is_loaded and address.path and not address.scheme and not address.netloc:
            self.files.add(unquote(address.path))


def size(page: Path) -> int:
    """Bytes of a page with the scripts, styles and images that it names itself, as they lie on disk.

    Args:
        page: a file of HTML.

    Raises:
        FileNotFoundError: it names a file that is not there.
    """
    loaded = _Loaded()
    loaded.feed(page.read_text())
    return page.stat().st_size + sum((page.parent / name).stat().st_size for name in loaded.files)
