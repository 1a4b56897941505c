"""Figures of an ensemble file that is open."""
from __future__ import annotations

import numpy as np

BLUE, ORANGE, GREY = "#1f4e79", "#c55a11", "#808080"
MOST_SPECTRA = 2000  # drawn in a clustergram, evenly taken of more
MOST_ROWS = 2000  # likewise of a heat map


def attribute(item, name):
    value = item.attrs[name]
    return value.decode() if isinstance(value, bytes) else value


def evenly(count, most):
    """Numbers of at most `most` of `count` things."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def choice(file, left=None):
    """Stability and squared error (or the test error, where it was measured) over k."""
    import matplotlib.pyplot as plt

    table = {name: column[()] for name, column in file["table"].items()}
    chosen = int(attribute(file, "chosen_k"))
    if left is None:
        _, left = plt.subplots(figsize=(6, 3.6), constrained_layout=True)
    right = left.twinx()
    left.plot(table["k"], table["stability"], "o-", color=BLUE, label="stability")
    left.plot(table["k"], table["least_cluster_stability"], "o:", color=BLUE, markersize=3, linewidth=1,
              label="of the least stable component")
    if "cv_error" in table:
        right.errorbar(table["k"], table["cv_error"], table["cv_error_se"], fmt="s-", color=ORANGE, capsize=3)
        right.set_ylabel("test error of an element", color=ORANGE)
    else:
        right.plot(table["k"], table["error"], "s-", color=ORANGE)
        right.set_ylabel("squared error of the consensus", color=ORANGE)
    if chosen:
        left.axvline(chosen, color=GREY, linestyle="--", linewidth=1, zorder=0)
        left.annotate(f"k = {chosen}", (chosen, 1.02), xycoords=("data", "axes fraction"), ha="center", color=GREY)
    lowest = np.nanmin(table["least_cluster_stability"], initial=0)
    left.set(xlabel="number of components k", ylim=(lowest, 1.05))
    left.set_ylabel("stability (mean silhouette)", color=BLUE)
    left.xaxis.get_major_locator().set_params(integer=True)
    left.legend(loc="lower left", frameon=False, fontsize=8)
    return left


def clustergram(file, k):
    """Distances between the spectra that are kept, cluster by cluster, and the densities of all."""
    import matplotlib.pyplot as plt

    group = file[f"k{k}"]
    if "spectra" not in group:
        raise ValueError(f"{file.filename} has no spectra of replicates (--save-replicates false)")
    labels, density = group["labels"][()], group["density"][()]
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise ValueError(f"no spectrum of k = {k} is kept: there is nothing to draw")
    kept = kept[evenly(len(kept), MOST_SPECTRA)]
    kept = kept[np.lexsort((density[kept], labels[kept]))]
    spectra = group["spectra"][np.sort(kept)][np.argsort(np.argsort(kept))].astype(float)
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    distances = np.sqrt(np.maximum(0, 2 - 2 * spectra @ spectra.T))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=(1.25, 1), constrained_layout=True)
    image = left.imshow(distances, cmap="mako_r" if "mako_r" in plt.colormaps() else "viridis_r", vmin=0,
                        vmax=np.sqrt(2), interpolation="nearest")
    figure.colorbar(image, ax=left, label="distance", shrink=0.8)
    bounds = np.searchsorted(labels[kept], np.arange(k + 1))
    for bound in bounds[1:-1]:
        left.axhline(bound - 0.5, color="white", linewidth=0.7)
        left.axvline(bound - 0.5, color="white", linewidth=0.7)
    names = [f"{c} ({s:.2f})" for c, s in enumerate(group["cluster_stability"][()])] if "H" in group else []
    left.set_yticks((bounds[1:] + bounds[:-1]) / 2 - 0.5, names, fontsize=8)
    left.set(xticks=[], xlabel=f"{len(kept)} spectra of {attribute(file, 'replicates')} replicates",
             ylabel="component (stability)", title=f"k = {k}")
    threshold = file["params"].attrs.get("density_threshold", np.nan)
    right.hist(density[np.isfinite(density)], bins=50, color=BLUE)
    right.axvline(threshold, color=ORANGE, linestyle="--", linewidth=1)
    right.annotate(f"{100 * (labels >= 0).mean():.0f} % below {threshold:g} are kept", (0.98, 0.95),
                   xycoords="axes fraction", ha="right", color=ORANGE)
    right.set(xlabel="mean distance to the nearest spectra", ylabel="spectra", xlim=(0, None))
    return figure


def usage(file, k, groups, column):
    """Share of each component in the rows, group by group; within a group by the component that has most."""
    import matplotlib.pyplot as plt

    group = file[f"k{k}"]
    if "W" not in group:
        raise ValueError(f"k = {k} has no consensus")
    usage = group["W"][()].astype(float) * group["H"][()].sum(1)
    if len(groups) != len(usage):
        raise ValueError(f"{len(groups)} groups for {len(usage)} rows: the data are others")
    usage /= np.maximum(usage.sum(1, keepdims=True), np.finfo(float).tiny)
    rows = evenly(len(usage), MOST_ROWS)
    usage, groups = usage[rows], groups[rows]
    order = np.lexsort((-usage.max(1), usage.argmax(1), groups))
    figure, axis = plt.subplots(figsize=(1.8 + 0.45 * k, 5), constrained_layout=True)
    image = axis.imshow(usage[order], aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axis, label="share of the component in the row", shrink=0.8)
    names, first = np.unique(groups[order], return_index=True)
    for bound in first[1:]:
        axis.axhline(bound - 0.5, color=ORANGE, linewidth=0.8)
    axis.set_yticks((first + np.append(first[1:], len(order))) / 2 - 0.5, names)
    axis.set_xticks(range(k), range(k))
    axis.set(xlabel="component", ylabel=column, title=f"k = {k}")
    return figure
