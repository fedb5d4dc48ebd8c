"""Counts of genes in cells, from files of both kinds."""

import numpy as np
import pytest
from scipy import sparse

from ssdgm_tf.data import load_cells

COUNTS = np.array([[0, 3, 1], [2, 0, 0], [0, 0, 70_000]])
Y = np.array([1, -1, 0])


def save(path, counts=COUNTS, **others):
    matrix = sparse.csr_matrix(counts)
    parts = {
        "data": matrix.data,
        "indices": matrix.indices.astype(np.uint16),
        "indptr": matrix.indptr,
        "shape": matrix.shape,
    }
    np.savez(path, **(parts | {"y": Y} | others))
    return path


def test_an_npz_file_is_read(tmp_path):
    cells = load_cells(save(tmp_path / "cells.npz"))
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS)
    assert cells.counts.dtype == np.float32 and cells.y.tolist() == Y.tolist() and cells.class_names == ("0", "1")
    assert load_cells(save(tmp_path / "named.npz", class_names=["B", "T"])).class_names == ("B", "T")


def test_what_is_no_count_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"whole numbers of at least 0.* Received: .*0\.5"):
        load_cells(save(tmp_path / "cells.npz", COUNTS / 2 + 0.5))
    with pytest.raises(ValueError, match=r"must hold data, indices, indptr, shape, y. Received: .*without \['y'\]"):
        np.savez(tmp_path / "part.npz", data=[1], indices=[0], indptr=[0, 1], shape=(1, 1))
        load_cells(tmp_path / "part.npz")
    with pytest.raises(ValueError, match=r"from \.npz and \.h5ad files. Received: .*cells\.csv"):
        load_cells(tmp_path / "cells.csv")


@pytest.mark.filterwarnings("ignore")  # of anndata's
@pytest.mark.parametrize("in_layer", [False, True])
def test_an_h5ad_file_is_read(tmp_path, in_layer):
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    kinds = pandas.DataFrame({"kind": pandas.Categorical(["T", None, "B"])}, index=["a", "b", "c"])
    counts = sparse.csr_matrix(COUNTS.astype(np.float32))
    cells = anndata.AnnData(X=counts.log1p() if in_layer else counts, obs=kinds)
    if in_layer:
        cells.layers["counts"] = counts
    cells.write_h5ad(tmp_path / "cells.h5ad")
    read = load_cells(tmp_path / "cells.h5ad", label="kind")
    np.testing.assert_array_equal(read.counts.toarray(), COUNTS)
    assert read.y.tolist() == [1, -1, 0] and read.class_names == ("B", "T")
    with pytest.raises(ValueError, match=r"label must be a column of obs, one of \['kind'\]. Received: label='cell_type'"):
        load_cells(tmp_path / "cells.h5ad")


def test_an_h5ad_file_without_anndata_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anndata", None)
    with pytest.raises(ImportError, match=r"pip install 'ssdgm_tf\[anndata\]'. Received: .*cells\.h5ad"):
        load_cells(tmp_path / "cells.h5ad")
