"""A package of Spack. In a repository of packages of your own this file is packages/scanmf/package.py; then, in the
project's folder: spack dev-build scanmf@0.1.0
"""
from spack.package import *


class Scanmf(CMakePackage):
    """Non-negative matrix factorisation on MPI clusters, with scikit-learn's parameters and numbers."""

    maintainers = []
    license("BSD-3-Clause")

    version("0.1.0")

    variant("shared", default=False, description="Build a shared library")
    variant("python", default=False, description="Build the Python package")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("git", type="build")
    depends_on("mpi@3.1:")
    depends_on("hdf5@1.10:")
    depends_on("openblas")
    depends_on("scalapack")
    depends_on("boost@1.74: +program_options")
    depends_on("fmt@9:")
    depends_on("highway@1:")
    depends_on("random123", type="build")
    depends_on("libdeflate")
    depends_on("liblzf")
    depends_on("zlib-api")
    depends_on("libzip")
    depends_on("nlohmann-json", type="build")
    with when("+python"):
        extends("python")
        depends_on("py-pybind11@2.10:", type="build")
        depends_on("py-numpy", type=("build", "run"))
        depends_on("py-scipy", type=("build", "run"))
        depends_on("py-scikit-learn@1.2:", type=("build", "run"))

    generator("ninja")

    def cmake_args(self):
        return [
            self.define("SCANMF_TESTS", False),
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define("CMAKE_DISABLE_FIND_PACKAGE_pybind11", "~python" in self.spec),
        ]
