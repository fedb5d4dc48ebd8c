"""Measures examples/cells.py against logistic regression, on the same splits and labels, and writes cells.json.

    SSDGM_DATA=FOLDER python results/cells.py [NAME ...]

FOLDER holds `single_cell/`. A set that is measured already is left as it is; `--rerun` measures it again.
"""

import argparse
import importlib.util
import json
import os
import time
from pathlib import Path

import keras
import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ssdgm_tf.data import load_cells

RESULTS = Path(__file__).parent
FILES = {
    "pbmc4k": "pbmc4k_top2000",
    "pbmc68k": "pbmc68k_reduced",
    "cbmc": "cite_cbmc_top2000",
    "worm": "worm_neuron",
}
SEEDS = (0, 1, 2)


def logistic_regression(cells, train, test, labelled, target_sum=None, standardised=True):
    """Classes of `test` by logistic regression on 30 SVD components of log1p of size-normalised counts.

    Args:
        cells: counts and classes.
        train: indices on which the components are fitted.
        test: indices.
        labelled: indices on which the regression is fitted.
        target_sum: the sum of a cell after normalisation; None for the median.
        standardised: whether each component has standard deviation 1.
    """
    size = np.maximum(np.asarray(cells.counts.sum(axis=1), float).ravel(), 1)
    normalised = sparse.csr_matrix(sparse.diags((target_sum or np.median(size[train])) / size) @ cells.counts)
    normalised.data = np.log1p(normalised.data)
    svd = TruncatedSVD(30, random_state=0).fit(normalised[train])
    components = svd.transform(normalised)
    if standardised:
        components = StandardScaler().fit(components[train]).transform(components)
    return LogisticRegression(max_iter=5000).fit(components[labelled], cells.y[labelled]).predict(components[test])


def measure(path):
    """Accuracies in percent of every seed, and seconds of training."""
    example = importlib.util.spec_from_file_location("cells", RESULTS.parent / "examples" / "cells.py")
    cells = importlib.util.module_from_spec(example)
    example.loader.exec_module(cells)
    read = load_cells(path)
    found = {"M2": [], "LR": [], "LR, components not standardised": [], "seconds": []}
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        started = time.perf_counter()
        by_m2, test, train, labelled = cells.classify(read, seed)
        found["seconds"].append(round(time.perf_counter() - started))
        parts = {"train": train, "test": test, "labelled": labelled}
        predicted = {"M2": by_m2, "LR": logistic_regression(read, **parts)}
        predicted["LR, components not standardised"] = logistic_regression(read, **parts, target_sum=1e4, standardised=False)
        for name, classes in predicted.items():
            found[name].append(round(100 * float(np.mean(classes == read.y[test])), 2))
        print(path.stem, seed, {name: values[-1] for name, values in found.items()}, flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(FILES), help=f"of {', '.join(FILES)}, or of other files; all")
    parser.add_argument("--rerun", action="store_true")
    arguments = parser.parse_args()
    path = RESULTS / "cells.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.names:
        if arguments.rerun or name not in results:
            results[name] = measure(Path(os.environ["SSDGM_DATA"]) / "single_cell" / f"{FILES.get(name, name)}.npz")
            path.write_text(json.dumps(results, indent=1) + "\n")
