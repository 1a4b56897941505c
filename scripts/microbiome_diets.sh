#!/usr/bin/env bash
# Diets from bacteria: factors the counts of 10,172 kinds of bacteria in 139 samples from mice (Turnbaugh et al. 2009;
# as in Bioconductor's package metagenomeSeq, in tests/data) on two ranks with the Kullback-Leibler divergence, and
# compares the components with what the mice were fed.
#
#     scripts/microbiome_diets.sh      writes microbiome_diets.h5
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/build_for_example.sh

mpirun -n 2 build/scanmf fit tests/data/mouse_microbiome.h5ad -k 2 --solver mu --beta-loss kullback-leibler \
  --init nndsvda --random-state 0 --max-iter 500 --quiet -o microbiome_diets.h5
/usr/bin/python3 scripts/known_groups.py microbiome_diets.h5 tests/data/mouse_microbiome.h5ad --column diet
