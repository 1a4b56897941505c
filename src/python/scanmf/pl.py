"""Figures: matplotlib's Axes come in, or are made, and go out. Matplotlib is imported when the first is drawn."""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# What the fit of each kind records, and how the figure calls it; the first found is drawn.
_MEASURES = {
    "violation": "violation ÷ that of iteration 1",
    "error": "error √(2·D)",
    "smoothed_cost": "smoothed cost of a batch",
    "cost": "cost of a batch",
}
# Okabe and Ito's colours, which people with any colour vision can tell apart.
_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000"]
_SHADE = "#3b6ea5"


def _plt():
    import matplotlib.pyplot as plt

    return plt


def _ticker():
    import matplotlib.ticker

    return matplotlib.ticker


def _model(model):
    """A fitted estimator; of a path, the model in that file."""
    if isinstance(model, (str, os.PathLike)):
        from ._model import load

        return load(model)
    return model


def _columns_of(count, most):
    """Columns of a grid without a nearly empty last row."""
    rows = -(-count // most)
    return -(-count // rows)


def _grid(count, columns, width, height, axes):
    """`count` Axes: those given, or a new figure's, in `columns` columns of panels of this size in inches."""
    if axes is not None:
        axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if len(axes) < count:
            raise ValueError(f"{count} components need as many Axes; {len(axes)} were given")
        return axes[:count]
    rows = -(-count // columns)
    figure, grid = _plt().subplots(rows, columns, figsize=(columns * width, rows * height), squeeze=False,
                                   layout="constrained")
    for unused in grid.flat[count:]:
        unused.set_axis_off()
    return grid.ravel()[:count]


def components(model: Any, *, top: int = 10, image_shape: tuple[int, int] | None = None,
               feature_names: Sequence[str] | None = None, names: Sequence[str] | None = None,
               axes: Any = None) -> np.ndarray:
    """Each component: its largest features as bars, or all of them as an image.

    Parameters
    ----------
    model : NMF, MiniBatchNMF, str or ndarray of shape (n_components, n_features)
        A fitted estimator, a model file, or the components themselves.
    top : int, default=10
        Features to show of each component.
    image_shape : tuple of int, default=None
        (height, width): draw components as images.
    feature_names : sequence of str, default=None
        Names of the features; None: those that the model has.
    names : sequence of str, default=None
        Titles; None: "component 0", ….
    axes : sequence of matplotlib.axes.Axes, default=None
        Where to draw, one for each component; None: a new figure.

    Returns
    -------
    axes : ndarray of matplotlib.axes.Axes
        One for each component.
    """
    model = _model(model)
    H = np.asarray(getattr(model, "components_", model))
    if feature_names is None:
        feature_names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = [f"component {number}" for number in range(len(H))]
    if image_shape is not None:
        return _images(H, tuple(image_shape), names, axes)
    top = min(top, H.shape[1])
    labels = _labels(H, feature_names, top)
    longest = max((len(label) for of_component in labels for label in of_component), default=1)
    axes = _grid(len(H), _columns_of(len(H), 5), 1.15 + 0.075 * min(longest, 40), 0.6 + 0.16 * top, axes)
    for axis, weights, of_component, name in zip(axes, H, labels, names):
        largest = np.argsort(-weights, kind="stable")[:top]
        axis.barh(np.arange(top), weights[largest], height=0.75, color=_SHADE)
        axis.set_yticks(np.arange(top), of_component, fontsize=7)
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(top - 0.4, -0.6)
        axis.xaxis.set_major_locator(_ticker().MaxNLocator(3))
        axis.tick_params(axis="x", labelsize=6, length=2)
        axis.xaxis.get_offset_text().set_fontsize(6)
        axis.set_xlim(0, max(weights[largest].max(initial=0) * 1.02, 1e-300))
        axis.set_title(name, fontsize=8, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[-_columns_of(len(H), 5):]:
        axis.set_xlabel("weight", fontsize=7)
    return axes


def _labels(H, feature_names, top):
    def label(j):
        text = f"feature {j}" if feature_names is None else str(feature_names[j])
        return text if len(text) <= 40 else text[:39] + "…"

    return [[label(j) for j in np.argsort(-weights, kind="stable")[:top]] for weights in H]


def _images(H, shape, names, axes):
    if shape[0] * shape[1] != H.shape[1]:
        raise ValueError(f"image_shape {shape[0]}x{shape[1]} has {shape[0] * shape[1]} pixels, but the model has "
                         f"{H.shape[1]} features")
    axes = _grid(len(H), _columns_of(len(H), 10), 0.95, 0.95 * shape[0] / shape[1] + 0.12, axes)
    for axis, component, name in zip(axes, H, names):
        axis.imshow(component.reshape(shape), cmap="gray_r", vmin=0, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set(linewidth=0.4, color="0.7")
        axis.set_title(name.removeprefix("component "), fontsize=7, pad=2)
    return axes


def convergence(model: Any, *, ax: Any = None, label: str | None = None) -> Any:
    """What the fit recorded of each iteration or mini-batch step.

    A dashed line shows the tolerance: coordinate descent ends below it; multiplicative updates end when the last error
    lies above it, which is the error evaluated before less ``tol`` times that of the start.

    Parameters
    ----------
    model : NMF, MiniBatchNMF or str
        A fitted estimator, or a model file.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None: a new figure. Curves of several models may share one.
    label : str, default=None
        Name of the curve.

    Returns
    -------
    ax : matplotlib.axes.Axes
        With the curve.
    """
    model = _model(model)
    history = getattr(model, "history_", {})
    measure = next((name for name in _MEASURES if len(history.get(name, ())) and np.isfinite(history[name]).any()),
                   None)
    if measure is None:
        raise ValueError(
            "there is no history to draw: the model is of an older partial_fit, or multiplicative updates evaluated no "
            "error with tol=0")
    values = np.asarray(history[measure], float)
    iterations = np.asarray(history.get("iteration", np.arange(1, len(values) + 1)))
    if measure == "violation" and values[0] > 0:
        values = values / values[0]
    known = np.isfinite(values)
    if ax is None:
        _, ax = _plt().subplots(figsize=(4.5, 2.8), layout="constrained")
    colour = _COLOURS[len(ax.lines) % len(_COLOURS)]
    ax.plot(iterations[known], values[known], color=colour, marker="." if known.sum() < 60 else None, linewidth=1.2,
            label=label)
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines])
    level = _tolerance(model, measure, values[known])
    if level is not None and level > 0:
        drawn = np.append(drawn, level)
        ax.hlines(level, iterations[0], iterations[-1], "0.4", linestyles=(0, (4, 3)), linewidth=0.8)
        ax.annotate(f"tol = {model.tol:g}", (iterations[0], level), xytext=(3, 2), textcoords="offset points",
                    fontsize=7, color="0.4")
    if drawn.min() > 0 and drawn.max() > 10 * drawn.min():
        ax.set_yscale("log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.tick_params(labelsize=8)
    ax.set_xlabel("mini-batch step" if "cost" in history else "iteration", fontsize=9)
    ax.set_ylabel(_MEASURES[measure], fontsize=9)
    ax.grid(alpha=0.3, which="major", linewidth=0.5)
    ax.spines[["top", "right"]].set_visible(False)
    if label is not None:
        ax.legend(frameon=False, fontsize=8)
    return ax


def _tolerance(model, measure, values):
    """What the stop rule compares the last of the values with; None where it compares others."""
    if not model.tol:
        return None
    if measure == "violation":
        return model.tol
    first = model._state["stop"].get("first", 0)
    return values[-2] - model.tol * first if measure == "error" and first > 0 and len(values) > 1 else None


def usage(model: Any, groups: Any = None, *, W: Any = None, normalise: bool = True, names: Sequence[str] | None = None,
          ax: Any = None) -> Any:
    """How much each component is used, by groups of samples: the mean of W's rows in each group.

    Parameters
    ----------
    model : NMF, str, AnnData or ndarray of shape (n_samples, n_components)
        W itself, a model file with W, an estimator loaded from such a file, or AnnData with ``obsm["X_nmf"]``.
    groups : str or array-like of shape (n_samples,), default=None
        The group of each sample; of AnnData the name of a column of ``obs``. None: all samples are one group.
    W : ndarray of shape (n_samples, n_components), default=None
        W, where `model` is an estimator that was fitted here.
    normalise : bool, default=True
        Whether each sample's usages are divided by their sum.
    names : sequence of str, default=None
        Names of the components; None: their numbers.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None: a new figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        A heat map, one row a group, one column a component.
    """
    W, groups = _usages(model, groups, W)
    if len(W) != len(groups):
        raise ValueError(f"groups has {len(groups)} entries for {len(W)} samples")
    W = np.asarray(W, float)
    if normalise:
        totals = W.sum(axis=1, keepdims=True)
        W = np.divide(W, totals, out=np.zeros_like(W), where=totals > 0)
    labels = [str(group) for group in _ordered(groups)]
    texts = np.asarray([str(group) for group in groups])
    means = np.array([W[texts == label].mean(axis=0) for label in labels])
    if ax is None:
        size = (1.6 + 0.3 * W.shape[1] + 0.06 * max(map(len, labels)), 0.9 + 0.24 * len(labels))
        _, ax = _plt().subplots(figsize=size, layout="constrained")
    image = ax.imshow(means, cmap="viridis", vmin=0, aspect="auto", interpolation="nearest")
    ax.set_yticks(np.arange(len(labels)), labels, fontsize=8)
    ax.set_xticks(np.arange(W.shape[1]), names if names is not None else np.arange(W.shape[1]), fontsize=8,
                  rotation=90 if names is not None else 0)
    ax.tick_params(length=0)
    ax.set_xlabel("component", fontsize=9)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.9, pad=0.02)
    bar.set_label("mean share" if normalise else "mean usage", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return ax


def ensemble(result: Any, ax: Any = None) -> Any:
    """Stability and error of an ensemble over the number of components, the chosen one marked.

    Parameters
    ----------
    result : Ensemble, str or path-like
        What `scanmf.ensemble` has returned, or an ensemble file.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None: a new figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        With a second axis for the error.
    """
    from ._ensemble import Ensemble
    from ._ensemble_figures import choice

    result = result if isinstance(result, Ensemble) else Ensemble(result)
    _plt()
    with result.open() as file:
        return choice(file, ax)


def _usages(model, groups, W):
    """W and the group of each of its rows."""
    if hasattr(model, "obsm"):
        W = model.obsm["X_nmf"] if W is None else W
        if isinstance(groups, str):
            groups = model.obs[groups]
    elif W is None:
        file = model if isinstance(model, (str, os.PathLike)) else getattr(model, "file_", None)
        if file is not None:
            from ._model import load_W

            W = load_W(file)
        elif hasattr(model, "components_"):
            raise ValueError("an estimator does not keep W: give what fit_transform has returned as W=")
        else:
            W = np.asarray(model)
    if groups is None:
        groups = np.full(len(W), "all samples")
    return W, groups


def _ordered(groups):
    """The groups: in the order of categories where they are such, else sorted."""
    categories = getattr(getattr(groups, "cat", groups), "categories", None)
    present = set(np.asarray(groups).tolist())
    if categories is not None:
        return [category for category in categories if category in present]
    return sorted(present, key=lambda group: (isinstance(group, str), group))
