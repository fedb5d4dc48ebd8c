"""Counts of genes in single cells from .npz and .h5ad files."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ssdgm_tf.checks import UNLABELLED

if TYPE_CHECKING:
    from scipy import sparse

_ARRAYS = ("data", "indices", "indptr", "shape", "y")


class Cells(NamedTuple):
    """Counts of genes in cells, and the classes of the cells.

    Attributes:
        counts: whole numbers [N, genes], float32, a CSR matrix of SciPy.
        y: classes [N], int32, -1 where a cell has none.
        class_names: the name of each class; the numbers themselves where the file has no names.
    """

    counts: "sparse.csr_matrix"
    y: np.ndarray
    class_names: tuple[str, ...]


def load_cells(path: str | os.PathLike, label: str = "cell_type") -> Cells:
    """Reads the counts of genes in single cells.

    - `.npz`: the arrays `data`, `indices`, `indptr` and `shape` of a CSR matrix, the classes `y` from 0, -1 for none, and
      perhaps `class_names`;
    - `.h5ad`: `layers["counts"]`, or `X` where there is none, and the column `label` of `obs`. Needs the package anndata,
      `pip install 'ssdgm_tf[anndata]'`.

    Args:
        path: the file.
        label: the column of the classes of an `.h5ad` file.

    Raises:
        ValueError: another kind of file, an absent array or column, or counts that are not whole numbers of at least 0.
        ImportError: an `.h5ad` file without the package anndata.
    """
    name = os.fspath(path)
    if not name.endswith((".npz", ".h5ad")):
        raise ValueError(f"Cells are read from .npz and .h5ad files. Received: {name}")
    cells = _from_h5ad(name, label) if name.endswith(".h5ad") else _from_npz(name)
    values = cells.counts.data
    if values.size and not (np.all(values >= 0) and np.all(values == np.round(values))):
        raise ValueError(
            "Counts must be whole numbers of at least 0, not normalised ones or logarithms. "
            f"Received: {name} with {values[(values < 0) | (values != np.round(values))][:3]}"
        )
    return cells


def _from_npz(path: str) -> Cells:
    with np.load(path, allow_pickle=False) as arrays:
        if absent := [name for name in _ARRAYS if name not in arrays]:
            raise ValueError(f"An .npz file of cells must hold {', '.join(_ARRAYS)}. Received: {path} without {absent}")
        parts = arrays["data"].astype(np.float32), arrays["indices"].astype(np.int64), arrays["indptr"].astype(np.int64)
        from scipy import sparse  # the help of commands needs none

        counts = sparse.csr_matrix(parts, tuple(int(size) for size in arrays["shape"]))
        y = arrays["y"].astype(np.int32)
        names = arrays["class_names"] if "class_names" in arrays else range(max(y.max(initial=0) + 1, 0))
        return Cells(counts, y, tuple(str(name) for name in names))


def _from_h5ad(path: str, label: str) -> Cells:
    try:
        import anndata
    except ImportError as error:
        raise ImportError(
            f"An .h5ad file needs the package anndata: pip install 'ssdgm_tf[anndata]'. Received: {path}"
        ) from error
    cells: Any = anndata.read_h5ad(path)
    if label not in cells.obs:
        raise ValueError(f"label must be a column of obs, one of {list(cells.obs)}. Received: label={label!r} of {path}")
    column = cells.obs[label]
    is_known = ~np.asarray(column.isna())
    names, classes = np.unique(np.asarray(column[is_known]).astype(str), return_inverse=True)
    y = np.full(len(column), UNLABELLED, np.int32)
    y[is_known] = classes
    counts = cells.layers["counts"] if "counts" in cells.layers else cells.X
    from scipy import sparse

    return Cells(sparse.csr_matrix(counts, dtype=np.float32), y, tuple(str(name) for name in names))
