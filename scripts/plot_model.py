#!/usr/bin/python3
"""Pictures of a model file: its components and its convergence.

    scripts/plot_model.py model.h5 -o pictures [--image-shape 28x28] [--top 10]

writes pictures/components.png (each component as an image when --image-shape is
given, else as bars of its largest features) and pictures/convergence.png (what
the fit recorded in /history), with scanmf.pl of the Python package: installed,
or of the build folder beside this one.
"""
import argparse
import os
import sys

from arguments import image_shape

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "python"))
try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import scanmf
except ImportError as missing:
    sys.exit(
        f"plot_model.py: {missing}. It needs the Python package scanmf, which is built where its Debian packages are: "
        "scripts/install_packages.sh module, then cmake --build build; another folder than build/: set PYTHONPATH")


def save(axis, path):
    axis.figure.savefig(path, dpi=150)
    plt.close(axis.figure)
    print(path)


def main():
    parser = argparse.ArgumentParser(description="Pictures of a model file: its components and its convergence.")
    parser.add_argument("model", help="model file written by scanmf fit")
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where the pictures go (default: here)")
    parser.add_argument("--image-shape", type=image_shape, metavar="HxW",
                        help="draw each component as an image, for example 28x28")
    parser.add_argument("--top", type=int, default=10, metavar="N",
                        help="features to show of each component (default: 10)")
    arguments = parser.parse_args()
    try:
        model = scanmf.load(arguments.model)
        os.makedirs(arguments.output, exist_ok=True)
        axes = scanmf.pl.components(model, top=arguments.top, image_shape=arguments.image_shape)
    except (ValueError, OSError) as error:
        sys.exit(f"plot_model.py: {error}")
    save(axes[0], os.path.join(arguments.output, "components.png"))
    try:
        save(scanmf.pl.convergence(model), os.path.join(arguments.output, "convergence.png"))
    except ValueError:
        print(f"no convergence curve: {arguments.model} has no /history", file=sys.stderr)


if __name__ == "__main__":
    main()
