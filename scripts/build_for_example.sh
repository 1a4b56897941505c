# Sourced by the examples beside it, in the project's folder: installs the groups of packages given, builds
# build/scanmf, and lets mpirun start.
scripts/install_packages.sh build python module "$@"
cmake --preset release -DSCANMF_TESTS=OFF
cmake --build --preset release
# Open MPI refuses root and more ranks than cores unless it is told; both are fine here.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
