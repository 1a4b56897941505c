#!/usr/bin/python3
"""Pictures of a model file: its components and its convergence.

    scripts/plot_model.py model.h5 -o pictures|model.svg [--image-shape 28x28] [--top 10] [--format png|pdf|svg]

writes pictures/components.png (each component as an image when --image-shape is given, else as bars of its largest
features; with its share of W·H, where the model has W) and pictures/convergence.png (what the fit recorded in
/history); one picture of all that where a name ends in .png, .pdf or .svg. Drawn by scanmf.pl of the Python
package: installed, or of the build folder beside this one.
"""
import argparse
import os
import sys

from arguments import PACKAGE, PICTURES, count, image_shape, no_import, picture_kind

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "python"))
try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import h5py
    import scanmf
    from groups import mean_shares
except ImportError as missing:
    no_import(missing, PACKAGE)

CURVE = (4.5, 2.8)  # width and height of the convergence curve in one picture of all, in inches


def titles(path, model):
    """The components' names, with their shares where the file, which is known to be whole, has W."""
    with h5py.File(path, "r") as file:
        shares = mean_shares(file["W"], model.components_)[0][0] if "W" in file else None
    names = [f"component {number}" for number in range(model.n_components_)]
    return names if shares is None else [f"{name} ({share:.1%})" for name, share in zip(names, shares)]


def axis_below(axes):
    """One more panel in the figure of a grid of panels, below them and as wide as all."""
    figure = axes[0].figure
    rows, columns = axes[0].get_subplotspec().get_gridspec().get_geometry()
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, CURVE[0]), height + CURVE[1])
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[height / rows] * rows + [CURVE[1]])
    for number, axis in enumerate(figure.axes):
        axis.set_subplotspec(grid[number // columns, number % columns])
    return figure.add_subplot(grid[rows, :])


def save(figure, path):
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(path)


def draw(arguments):
    """One picture of all, or one of each kind in a folder."""
    model = scanmf.load(arguments.model)
    axes = scanmf.pl.components(model, top=arguments.top, image_shape=arguments.image_shape,
                                names=titles(arguments.model, model))
    try:
        curve = scanmf.pl.convergence(model).figure
    except ValueError as error:
        curve = None
        print(f"plot_model.py: no convergence curve of '{arguments.model}': {error}", file=sys.stderr)
    if picture_kind(arguments.output):
        if curve:
            scanmf.pl.convergence(model, ax=axis_below(axes))
        return save(axes[0].figure, arguments.output)
    os.makedirs(arguments.output, exist_ok=True)
    kind = arguments.format or "png"
    save(axes[0].figure, os.path.join(arguments.output, f"components.{kind}"))
    if curve:
        save(curve, os.path.join(arguments.output, f"convergence.{kind}"))


def main():
    parser = argparse.ArgumentParser(description="Pictures of a model file: its components and its convergence.")
    parser.add_argument("model", help="model file written by scanmf fit")
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER|FILE",
                        help="where the pictures go (default: here); NAME.png, .pdf or .svg: one picture of all")
    parser.add_argument("--image-shape", type=image_shape, metavar="HxW",
                        help="draw each component as an image, for example 28x28")
    parser.add_argument("--top", type=count, default=10, metavar="N",
                        help="features to show of each component (default: 10)")
    parser.add_argument("--format", choices=PICTURES, help="of the pictures in a folder (default: png)")
    arguments = parser.parse_args()
    try:
        if picture_kind(arguments.output) not in (None, arguments.format or picture_kind(arguments.output)):
            raise ValueError(f"'{arguments.output}' is no name of a picture of --format {arguments.format}")
        draw(arguments)
    except (ValueError, OSError) as error:
        sys.exit(f"plot_model.py: {error}")


if __name__ == "__main__":
    main()
