#!/usr/bin/python3
"""Pictures of a model file: its components and its convergence.

    scripts/plot_model.py model.h5 -o pictures [--image-shape 28x28] [--top 10]

writes pictures/components.png (each component as an image when --image-shape is
given, else as bars of its largest features) and pictures/convergence.png (what
the fit recorded in /history).
"""
import argparse
import os
import sys

try:
    import h5py
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
except ImportError as missing:
    sys.exit(f"plot_model.py: {missing}. On Debian: apt-get install python3-h5py python3-matplotlib")

# What the fit of each kind records, and how the picture calls it; the first found is drawn.
MEASURES = {
    "violation": "violation, relative to the first iteration",
    "error": "error √(2·D)",
    "smoothed_cost": "smoothed cost of a batch",
    "cost": "cost of a batch",
}


def image_shape(text):
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, for example 28x28")
    return height, width


def read_model(path):
    """Components (k x n), feature names or None, and the history as a dictionary of arrays."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        sys.exit(f"plot_model.py: cannot read {path}: {error}")
    with file:
        if "H" not in file:
            sys.exit(f"plot_model.py: {path} has no dataset /H: is it a model written by scanmf fit?")
        components = file["H"][()]
        names = file["feature_names"].asstr()[()] if "feature_names" in file else None
        history = {name: values[()] for name, values in file["history"].items()} if "history" in file else {}
    return components, names, history


def grid_of(count, width):
    columns = min(count, width)
    rows = -(-count // columns)
    return rows, columns


def draw_images(components, shape, path):
    if shape[0] * shape[1] != components.shape[1]:
        sys.exit(f"plot_model.py: --image-shape {shape[0]}x{shape[1]} has {shape[0] * shape[1]} pixels, "
                 f"but the model has {components.shape[1]} features")
    rows, columns = grid_of(len(components), 10)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * 0.95, rows * 0.95 * shape[0] / shape[1]), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, component in zip(axes.flat, components):
        axis.imshow(component.reshape(shape), cmap="gray_r", vmin=0, interpolation="nearest")
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.995, 0.04, 0.04)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_bars(components, names, top, path):
    top = min(top, components.shape[1])
    rows, columns = grid_of(len(components), 5)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * 2.6, rows * (0.6 + 0.19 * top)), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, (axis, component) in enumerate(zip(axes.flat, components)):
        largest = np.argsort(-component, kind="stable")[:top]
        axis.axis("on")
        axis.barh(np.arange(top), component[largest], color="0.35")
        axis.set_yticks(np.arange(top), [str(names[j]) if names is not None else f"feature {j}" for j in largest], fontsize=7)
        axis.invert_yaxis()
        axis.set_xticks([])
        axis.set_title(f"component {number}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_convergence(history, path):
    """False when there is nothing to draw."""
    measure = next((name for name in MEASURES if name in history), None)
    if measure is None:
        return False
    values = np.asarray(history[measure], float)
    known = np.isfinite(values)
    if not known.any():
        return False
    iterations = history.get("iteration", np.arange(1, len(values) + 1))
    if measure == "violation":
        values = values / values[0] if values[0] > 0 else values
    figure, axis = plt.subplots(figsize=(6, 3.2))
    axis.plot(iterations[known], values[known], color="0.2", marker="." if known.sum() < 60 else None)
    if (values[known] > 0).all():
        axis.set_yscale("log")
    axis.set_xlabel("mini-batch step" if "cost" in history else "iteration")
    axis.set_ylabel(MEASURES[measure])
    axis.grid(alpha=0.3, which="both", linewidth=0.5)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return True


def main():
    parser = argparse.ArgumentParser(description="Pictures of a model file: its components and its convergence.")
    parser.add_argument("model", help="model file written by scanmf fit")
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where the pictures go (default: here)")
    parser.add_argument("--image-shape", type=image_shape, metavar="HxW", help="draw each component as an image, for example 28x28")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="features to show of each component (default: 10)")
    arguments = parser.parse_args()

    components, names, history = read_model(arguments.model)
    os.makedirs(arguments.output, exist_ok=True)
    picture = os.path.join(arguments.output, "components.png")
    if arguments.image_shape:
        draw_images(components, arguments.image_shape, picture)
    else:
        draw_bars(components, names, arguments.top, picture)
    print(picture)
    picture = os.path.join(arguments.output, "convergence.png")
    if draw_convergence(history, picture):
        print(picture)
    else:
        print(f"no convergence curve: {arguments.model} has no /history", file=sys.stderr)


if __name__ == "__main__":
    main()
