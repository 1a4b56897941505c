#!/usr/bin/env bash
# Installs what is needed, builds, and runs tests:
#
#     scripts/test.sh             every test, in build/
#     scripts/test.sh quick       those of the label quick, which a change usually breaks
#     scripts/test.sh sanitize    what reads files, keeps models and fits, with contracts checked and under the
#                                 sanitizers of addresses and undefined behaviour, and malformed files for a minute,
#                                 in build-sanitize/
#     scripts/test.sh mpich       the tests of the label quick, and on two ranks what they try on three, with MPICH in
#                                 place of Open MPI, in build-mpich/
#
# Further words go to ctest: scripts/test.sh -R golden
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

word=
case "${1:-}" in
  quick | sanitize | mpich) word=$1 && shift ;;
esac
scripts/install_packages.sh build python module checks

# Many tests wait for a program to start rather than compute. With more at a time, those of several ranks wait for each
# other. A test with more ranks than the level allows runs alone.
level=$(($(nproc) + 2))

if [[ $word == sanitize ]]; then
  # The program and a few tests, compiled in the quickest way (five minutes on two cores; all of them, as the preset
  # debug has them, take an hour).
  tests=(hdf5_test schema_test model_file_test checkpoint_test dense_test sparse_test array_test communicator_test
         grams_test operations_test observed_operations_test rules_test fit_test)
  cmake --preset sanitize -DSCANMF_TESTS=ON
  cmake --build --preset sanitize --target scanmf_program "${tests[@]}"
  names=$(IFS='|' && echo "${tests[*]}")
  run="^(($names)_np1|(communicator|model_file|checkpoint)_test_np3|app_malformed_test_np0|fuzz)$"
  exec ctest --preset sanitize --parallel "$level" -R "$run" "$@"
fi

if [[ $word == mpich ]]; then
  scripts/install_packages.sh mpich
  cmake --preset mpich -DSCANMF_TESTS=ON -DSCANMF_WERROR=ON
  cmake --build --preset mpich --target scanmf_program quick_tests
  # Compiled without optimisation, these tests compute rather than wait.
  exec ctest --preset mpich --parallel "$(nproc)" --label-regex '^(quick|two_ranks)$' "$@"
fi

scripts/install_packages.sh slurm || echo "No Slurm: the test that needs it will be skipped."
cmake --preset release -DSCANMF_TESTS=ON -DSCANMF_WERROR=ON
cmake --build --preset release
# On Debian, where all that they need was installed, none of them may be missing without a word.
# (Read whole: a reader that leaves at its first match would end ctest by SIGPIPE, and pipefail call that a failure.)
python_tests=$(ctest --preset release -N -R '^python_')
if command -v apt-get >/dev/null && [[ $python_tests != *python_golden* ]]; then
  echo "The tests of the Python package are missing: see what CMake says of it above" >&2
  exit 1
fi
[[ $word != quick ]] || set -- --label-regex '^quick$' "$@"
ctest --preset release --parallel "$level" "$@"
