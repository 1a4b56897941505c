#!/bin/bash
# Test hosts as network namespaces on a bridge of their own, 10.77.0.1, 10.77.0.2, …; nothing touches this machine's
# network. Needs root.
#
#     hosts.sh up NAME COUNT        hosts NAME-1, NAME-2, …
#     hosts.sh down NAME COUNT
#     hosts.sh cut NAME INDEX       takes a host's network away
#     hosts.sh crash NAME INDEX     kills everything on a host
#     hosts.sh run HOST COMMAND…    runs a command there, with the host's name and /dev/shm; stands in for ssh
#                                   (options before HOST are ignored)
set -euo pipefail
command=$1
shift

case $command in
  up)
    name=$1 count=$2
    ip netns add "$name-0"  # the switch
    ip -n "$name-0" link add bridge type bridge
    ip -n "$name-0" link set bridge up
    for i in $(seq "$count"); do
      ip netns add "$name-$i"
      ip -n "$name-0" link add "port$i" type veth peer name eth0 netns "$name-$i"
      ip -n "$name-0" link set "port$i" master bridge up
      ip -n "$name-$i" link set lo up
      ip -n "$name-$i" addr add "10.77.0.$i/24" dev eth0
      ip -n "$name-$i" link set eth0 up
      mkdir -p "/etc/netns/$name-$i"
      {
        echo "127.0.0.1 localhost"
        for k in $(seq "$count"); do echo "10.77.0.$k $name-$k"; done
      } > "/etc/netns/$name-$i/hosts"
    done
    ;;
  down)
    for i in $(seq 0 "$2"); do
      ip netns pids "$1-$i" 2>/dev/null | xargs -r kill -9 || true
      ip netns del "$1-$i" 2>/dev/null || true
      rm -rf "/etc/netns/$1-$i"
    done
    ;;
  cut) ip -n "$1-0" link set "port$2" down ;;
  crash) ip netns pids "$1-$2" | xargs -r kill -9 ;;
  run)
    while [ "${1#-}" != "$1" ]; do shift; done
    host=$1
    shift
    # shellcheck disable=SC2016
    exec ip netns exec "$host" unshare --uts --ipc --mount --propagation private \
      sh -c 'hostname "$0"; mount -t tmpfs shm /dev/shm; cd "$PWD"; exec sh -c "$*"' "$host" "$@"
    ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
