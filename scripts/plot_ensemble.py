#!/usr/bin/python3
"""Pictures of an ensemble file: which k, how well its replicates agree, who uses which component.

    scripts/plot_ensemble.py ensemble.h5 -o pictures [-k 5] [--data X.h5ad --column NAME] [--format png|pdf|svg]

writes to pictures/
    choice.png         stability and error over k, the chosen k marked
    clustergram.png    distances between the spectra of k, cluster by cluster, beside the histogram of their densities
    usage.png          share of each component in each row, rows in groups of a column of obs (with --column)
"""
import argparse
import os
import sys

from arguments import PACKAGE, PICTURES, no_import, picture_kind

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "python"))
try:
    import matplotlib
    matplotlib.use("Agg")
    import numpy as np
    from groups import groupings, names_of
    from scanmf import _ensemble_figures as figures
    from sealed import open_sealed
except ImportError as missing:
    no_import(missing, PACKAGE)


def groups_of(file, path, column):
    """A column of obs as text, one a row of the ensemble's X."""
    count = int(file.attrs["n_samples"])
    samples = names_of(file, "obs_names", count)
    _, codes, names = next(groupings(path, samples, count, [column]))
    return np.asarray([*names, "(no group)"])[codes]  # -1: in none


def drawn(arguments):
    """Names of the pictures, and what draws each or says why it cannot."""
    with open_sealed(arguments.ensemble, {"scanmf-ensemble": "ensemble"}) as file:
        k = arguments.k or int(figures.attribute(file, "chosen_k")) or int(file["table/k"][-1])
        if f"k{k}" not in file:
            raise ValueError(f"{arguments.ensemble} has no k = {k}")
        yield "choice", lambda: figures.choice(file).figure
        yield "clustergram", lambda: figures.clustergram(file, k)
        if arguments.column:
            groups = groups_of(file, arguments.data, arguments.column)
            yield "usage", lambda: figures.usage(file, k, groups, arguments.column)


def draw(arguments):
    """True when all pictures are there."""
    complete = True
    for name, picture in drawn(arguments):
        path = os.path.join(arguments.output, f"{name}.{arguments.format}")
        try:
            figure = picture()
        except ValueError as error:
            print(f"plot_ensemble.py: no {os.path.basename(path)}: {error}", file=sys.stderr)
            complete = False
            continue
        os.makedirs(arguments.output, exist_ok=True)
        figure.savefig(path, dpi=150)
        print(path)
    return complete


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ensemble", help="file written by scanmf ensemble")
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where the pictures go (default: here)")
    parser.add_argument("-k", type=int, help="number of components of the clustergram (default: the chosen one)")
    parser.add_argument("--data", metavar="X.h5ad", help="the data, for the groups of its rows")
    parser.add_argument("--column", metavar="NAME", help="column of obs in the data that groups the rows")
    parser.add_argument("--format", default="png", choices=PICTURES, help="default: png")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.column is None):
        parser.error("--data and --column belong together")
    try:
        if kind := picture_kind(arguments.output):
            raise ValueError(f"-o is the folder of several pictures, not '{arguments.output}': their kind is "
                             f"--format {kind}")
        complete = draw(arguments)
    except (ValueError, OSError, KeyError) as error:
        sys.exit(f"plot_ensemble.py: {error}")
    # What was asked for by name is to be there.
    sys.exit(0 if complete or not (arguments.k or arguments.column) else 1)


if __name__ == "__main__":
    main()
