"""What a file is, whatever its name says, so that a message can name the form that reads it."""

from pathlib import Path

# {kind: how files of it begin}.
_MAGIC = {
    ".npz": b"PK\x03\x04",
    ".npy": b"\x93NUMPY",
    ".mat": b"MATLAB 5.0",
    ".mat of version 7.3": b"MATLAB 7.3",
    ".parquet": b"PAR1",
    "HDF5": b"\x89HDF",
    "PNG": b"\x89PNG",
    "JPEG": b"\xff\xd8\xff",
}
# {kind: words for it, and for what reads it}.
_WORDS = {
    ".npz": "an .npz file: npz:FILE reads it, and --input under a name in .npz",
    ".npy": "an .npy file: npy:X.npy,Y.npy reads it, and --input under a name in .npy",
    ".mat": "a .mat file: mat:FILE reads it, and --input under a name in .mat",
    ".mat of version 7.3": "a .mat file of version 7.3: save it with -v7 in MATLAB, and mat:FILE reads it",
    ".csv": "text: csv:FILE reads tables, and --input under a name in .csv",
    ".parquet": "a Parquet file: parquet:FILE reads tables, and --input under a name in .parquet",
    ".xlsx": "an Excel workbook: save its sheet as CSV, and csv:FILE reads it",
    "HDF5": "an HDF5 file: save its arrays with numpy.savez, and npz:FILE reads them",
    "PNG": "an image: folder:FOLDER reads images",
    "JPEG": "an image: folder:FOLDER reads images",
}
_HEAD = 512
# In the head of an Excel workbook, which is a zip file as .npz files are.
_OF_EXCEL = (b"[Content_Types].xml", b"xl/", b"docProps/")


def kind_of(file: Path) -> str:
    """The kind of a file by its first bytes: ".npz", ".npy", ".mat", ".csv" for text, ...; "" where it is not known.

    Args:
        file: the file.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return ""
    found = next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), "")
    if found == ".npz" and any(name in head for name in _OF_EXCEL):
        found = ".xlsx"
    is_text = bool(head) and all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in head)
    return found or (".csv" if is_text else "")


def received(file: Path, kind: str, reason: object) -> str:
    """What was received in place of a good file of a kind, for messages.

    Args:
        file: the file.
        kind: the kind that was expected, such as ".npz".
        reason: what its reader said. NumPy's words on arrays of objects are left out: they advise to run code that a file
            may hold.
    """
    found = kind_of(file)
    if found and found != kind:
        return f"{file}, which is no {kind} file but {_WORDS[found]}"
    text = " ".join(str(reason).split())
    is_of_objects = "pickle" in text or "Python objects" in text
    return f"{file} ({'an array of Python objects' if is_of_objects else text})"
