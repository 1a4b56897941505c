"""Groups of the rows of a matrix, from the table obs of its AnnData file, for the samples of a model or an ensemble."""
import os
import sys

import h5py
import numpy as np

ROWS_AT_A_TIME = 65536
MOST_GROUPS = 60  # of a column that is looked at unasked


def plain(value):
    """An attribute as h5py gives it, as what it is."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.item() if isinstance(value, np.generic) else value


def strings(dataset):
    return [str(text) for text in dataset.asstr(errors="replace")[()]]


def names_of(file, name, count):
    """The names that a file of scanmf has of its samples or features; None without."""
    return strings(file[name]) if name in file and file[name].shape == (count, ) else None


def column_groups(obs, name, whole_numbers=False):
    """Codes (-1: none) and names of a column's groups; None when it has no groups. whole_numbers: they are groups."""
    item = obs[name]
    if isinstance(item, h5py.Group) and "codes" in item and "categories" in item:
        categories = item["categories"]
        texts = strings(categories) if h5py.check_string_dtype(categories.dtype) else [str(c) for c in categories[()]]
        return item["codes"][()].astype(int), texts
    if not isinstance(item, h5py.Dataset) or item.ndim != 1:
        return None
    if "__categories" in obs and name in obs["__categories"]:  # anndata before 0.8
        return item[()].astype(int), strings(obs["__categories"][name])
    if h5py.check_string_dtype(item.dtype):
        texts, codes = np.unique(np.array(strings(item), dtype=object).astype(str), return_inverse=True)
        return codes, list(texts)
    if item.dtype.kind in "b":
        return item[()].astype(int), ["False", "True"]
    if item.dtype.kind in "iu" and whole_numbers:
        numbers, codes = np.unique(item[()], return_inverse=True)
        return codes, [str(number) for number in numbers]
    return None


def index_name(obs):
    return plain(obs.attrs.get("_index", "_index"))


def row_order(obs, samples, path):
    """The row of the file for each sample, by their names; None when they are taken as they stand."""
    index = index_name(obs)
    names = strings(obs[index]) if index in obs and h5py.check_string_dtype(obs[index].dtype) else None
    if names is None or samples is None:
        print(
            f"{os.path.basename(sys.argv[0])}: {'the model' if samples is None else path} has no names of rows: they "
            "are taken in the order in which they are", file=sys.stderr)
        return None
    if names == samples:
        return None
    places = {name: i for i, name in enumerate(names)}
    missing = [name for name in samples if name not in places]
    if missing:
        raise ValueError(f"'{path}' has no row '{missing[0]}', which the model has: it is another file")
    if len(places) < len(names):
        raise ValueError(f"the rows of '{path}' are not those of the model in order, and several have the same name")
    return np.array([places[name] for name in samples])


def groupings(path, samples, count, wanted):
    """(column, code of each of `count` samples, names) of the columns wanted, else of all that have a few groups.
    samples: their names, or None."""
    with h5py.File(path, "r") as file:
        if "obs" not in file or not isinstance(file["obs"], h5py.Group):
            raise ValueError(f"'{path}' has no table obs: it is no AnnData file")
        obs = file["obs"]
        order = row_order(obs, samples, path)
        columns = [name for name in obs if name != index_name(obs) and name != "__categories"]
        for name in wanted or columns:
            if name not in columns:
                raise ValueError(f"obs of '{path}' has no column '{name}'; it has {', '.join(columns) or 'none'}")
            found = column_groups(obs, name, whole_numbers=bool(wanted))
            if found is None or not (wanted or 2 <= len(found[1]) <= MOST_GROUPS):
                if wanted:
                    raise ValueError(f"the column '{name}' of obs has no groups: it holds numbers")
                continue
            codes, names = found
            if order is None and len(codes) != count:
                raise ValueError(f"'{path}' has {len(codes)} rows, but the model was learned from {count}")
            yield name, codes if order is None else codes[order], names


def mean_shares(W, H, groups=None, count=1):
    """Mean over rows of each component's share of the row of W·H, for each group: count x k; and rows a group."""
    mass = np.asarray(H, float).sum(axis=1)
    sums, rows = np.zeros((count, len(mass))), np.zeros(count)
    for begin in range(0, len(W), ROWS_AT_A_TIME):
        part = W[begin:begin + ROWS_AT_A_TIME].astype(float) * mass
        whole = part.sum(axis=1, keepdims=True)
        part = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
        group = np.zeros(len(part), int) if groups is None else groups[begin:begin + ROWS_AT_A_TIME]
        known = group >= 0
        np.add.at(sums, group[known], part[known])
        np.add.at(rows, group[known], 1)
    return sums / np.maximum(rows, 1)[:, None], rows.astype(int)
