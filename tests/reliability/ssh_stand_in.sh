#!/bin/bash
# What mpirun calls in place of ssh on the test hosts of hosts.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/hosts.sh" run "$@"
