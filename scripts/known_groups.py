#!/usr/bin/python3
"""How well the components of a model agree with groups of the rows that are known otherwise.

    known_groups.py MODEL.h5 X.h5ad --column NAME     NAME: of a column of the table obs in X.h5ad

Every row goes to the component that explains most of it. Prints how many rows of each group went to each component, and
the adjusted Rand index of the two groupings (Hubert & Arabie 1985): 1 when they are the same, about 0 when they have
nothing to do with each other.
"""
import argparse
import math
import sys

from arguments import no_import

try:
    import h5py
    import numpy as np
    from groups import groupings, names_of
    from sealed import has_whole_checksums
except ImportError as missing:
    no_import(missing, "Debian's packages python3-h5py, python3-numpy")


def contingency(a, b):
    """Number of rows for each pair of a group of `a` and a group of `b`, both in ascending order."""
    a, b = (np.unique(groups, return_inverse=True)[1] for groups in (a, b))
    table = np.zeros((a.max() + 1, b.max() + 1), dtype=int)
    np.add.at(table, (a, b), 1)
    return table


def adjusted_rand_index(table):
    def pairs(counts):
        return (counts * (counts - 1) // 2).sum()

    same_in_both, same_in_rows, same_in_columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    by_chance = same_in_rows * same_in_columns / math.comb(int(table.sum()), 2)
    most = (same_in_rows + same_in_columns) / 2
    return 1.0 if most == by_chance else (same_in_both - by_chance) / (most - by_chance)


def compare(a):
    has_whole_checksums(a.model)
    with h5py.File(a.model, "r") as model:
        if "W" not in model or "H" not in model:
            raise ValueError(f"'{a.model}' holds no W and H")
        share = model["W"][()] * model["H"][()].sum(1)  # what each component adds to the sum of a row
        samples = names_of(model, "obs_names", len(share))
    _, codes, names = next(groupings(a.data, samples, len(share), [a.column]))
    known = codes >= 0
    if not known.any():
        raise ValueError(f"no row is in a group of the column '{a.column}'")
    component = share.argmax(1)[known]
    table = contingency(codes[known], component)
    print(f"{a.column:<20}" + "".join(f"{'component ' + str(c):>14}" for c in np.unique(component)))
    for code, counts in zip(np.unique(codes[known]), table):
        print(f"{names[code]:<20}" + "".join(f"{count:>14}" for count in counts))
    if not known.all():
        print(f"{(~known).sum()} rows in no group are left out")
    print(f"adjusted Rand index {adjusted_rand_index(table):.3f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--column", required=True)
    try:
        compare(p.parse_args())
    except (ValueError, OSError, KeyError) as error:
        sys.exit(f"known_groups.py: {error}")


if __name__ == "__main__":
    main()
