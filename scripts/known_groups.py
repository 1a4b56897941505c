#!/usr/bin/python3
"""How well the components of a model agree with groups of the rows that are known otherwise.

    known_groups.py MODEL.h5 X.h5ad --column NAME     NAME: of a column of the table obs in X.h5ad

Every row goes to the component that explains most of it. Prints how many rows of each group went to each component, and
the adjusted Rand index of the two groupings (Hubert & Arabie 1985): 1 when they are the same, about 0 when they have
nothing to do with each other.
"""
import argparse
import math

import h5py
import numpy as np


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


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--column", required=True)
    a = p.parse_args()
    with h5py.File(a.model, "r") as model:
        share = model["W"][()] * model["H"][()].sum(1)  # what each component adds to the sum of a row
    with h5py.File(a.data, "r") as data:
        column = data["obs"][a.column]
        if isinstance(column, h5py.Group):  # categories and the number of each row's
            column = np.asarray(column["categories"].asstr())[column["codes"][()]]
        groups = np.asarray([v.decode() if isinstance(v, bytes) else str(v) for v in column])
    component = share.argmax(1)
    table = contingency(groups, component)
    print(f"{a.column:<20}" + "".join(f"{'component ' + str(c):>14}" for c in np.unique(component)))
    for name, counts in zip(np.unique(groups), table):
        print(f"{name:<20}" + "".join(f"{count:>14}" for count in counts))
    print(f"adjusted Rand index {adjusted_rand_index(table):.3f}")


if __name__ == "__main__":
    main()
