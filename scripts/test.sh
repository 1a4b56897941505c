#!/usr/bin/env bash
# Installs what is needed, builds everything in build/ and runs every test, or those of the label quick, which a change
# usually breaks:
#
#     scripts/test.sh [quick] [arguments for ctest, for example -R golden]
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ "${1:-}" == quick ]]; then
  set -- --label-regex '^quick$' "${@:2}"
fi
scripts/install_packages.sh build python module checks
scripts/install_packages.sh slurm || echo "No Slurm: the test that needs it will be skipped."
cmake --preset release -DSCANMF_TESTS=ON -DSCANMF_WERROR=ON
cmake --build --preset release
# Most tests wait for a program to start rather than compute; a test with more ranks than the level allows runs alone.
ctest --preset release --parallel "$(($(nproc) + 4))" "$@"
