#!/usr/bin/env bash
# Builds the Debian packages scanmf, libscanmf-dev and python3-scanmf in build-debian/ and, where lintian is installed,
# has it look at them:
#
#     scripts/packaging/debian.sh && apt install ./build-debian/*.deb
#
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scripts/install_packages.sh build module
cmake -G Ninja -S . -B build-debian -D CMAKE_BUILD_TYPE=Release -D CMAKE_INSTALL_PREFIX=/usr -D SCANMF_TESTS=OFF
cmake --build build-debian
rm -f build-debian/*.deb
(cd build-debian && umask 022 && cpack -G DEB)
if command -v lintian >/dev/null; then
  lintian --fail-on error build-debian/*.deb
fi
ls -l build-debian/*.deb
