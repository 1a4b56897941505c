#!/usr/bin/env bash
# From a fresh machine to a picture: installs what is needed, builds, factors the 70,000 images of Fashion-MNIST (28 x
# 28 pixels of garments) into 20 parts on two ranks, and draws them:
#
#     scripts/quickstart.sh        writes quickstart/components.png and quickstart/convergence.png
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/build_for_example.sh example
scanmf=build/scanmf

images=/usr/share/datasets/fashion-mnist
mkdir -p quickstart
"$scanmf" convert "$images/train-images-idx3-ubyte.gz" "$images/t10k-images-idx3-ubyte.gz" -o quickstart/fashion.h5

mpirun -n 2 "$scanmf" fit quickstart/fashion.h5 -k 20 --random-state 0 -o quickstart/model.h5

"$scanmf" inspect quickstart/model.h5
/usr/bin/python3 scripts/plot_model.py quickstart/model.h5 --image-shape 28x28 -o quickstart
