#!/usr/bin/env bash
# Installs the Debian packages of the groups named (build, mpich, python, module, checks, example, text, slurm), those
# that are missing only:
#
#     scripts/install_packages.sh build python
#
# As root, or through sudo. Does nothing, quickly, when everything is there.
set -euo pipefail

build=(g++ cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libscalapack-openmpi-dev libopenblas-dev
       libhdf5-openmpi-dev libboost-program-options-dev libgtest-dev libfmt-dev libhwy-dev librandom123-dev
       libdeflate-dev liblzf-dev zlib1g-dev libzip-dev nlohmann-json3-dev)
# Beside Open MPI, which stays the default; its HDF5 and ScaLAPACK are other files than those of Open MPI.
mpich=(mpich libmpich-dev libscalapack-mpich-dev libhdf5-mpich-dev)
python=(python3 python3-numpy python3-scipy python3-h5py python3-matplotlib)
module=(python3-dev pybind11-dev python3-numpy python3-scipy python3-sklearn python3-pandas python3-anndata
        python3-h5py python3-mpi4py python3-matplotlib python3-pytest mypy)
example=(dataset-fashion-mnist)
text=(bible-kjv bible-kjv-text)
checks=(clang-format yapf3 python3-yaml groff-base environment-modules)
slurm=(slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge iproute2)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    mpich) wanted+=("${mpich[@]}") ;;
    python) wanted+=("${python[@]}") ;;
    module) wanted+=("${module[@]}") ;;
    example) wanted+=("${example[@]}") ;;
    text) wanted+=("${text[@]}") ;;
    checks) wanted+=("${checks[@]}") ;;
    slurm) wanted+=("${slurm[@]}") ;;
    *)
      echo "install_packages.sh: unknown group '$group'" \
        "(build, mpich, python, module, checks, example, text, slurm)" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "Not a Debian system; these Debian packages, or what corresponds to them here, are expected: ${wanted[*]}" >&2
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "Packages are missing, and there is no sudo. As root:" \
      "apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }

echo "Installing ${missing[*]}"
compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt_get update
# Lists that are out of date name files that are gone: then they are fetched anew.
apt_get install -y --no-install-recommends "${missing[@]}" || {
  apt_get update
  apt_get install -y --no-install-recommends "${missing[@]}"
}
