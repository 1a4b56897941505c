#!/bin/bash
# A Slurm cluster of one node on this machine, for tests: own key, configuration, ports and files in FOLDER; no system
# service is touched. Needs root.
#
#     slurm.sh start FOLDER      prints nothing; afterwards: SLURM_CONF=FOLDER/etc/slurm.conf sbatch …
#     slurm.sh stop FOLDER
set -euo pipefail
folder=$2
host=$(hostname -s)
cores=$(getconf _NPROCESSORS_ONLN)  # not nproc: it heeds OMP_NUM_THREADS
[ "$cores" -ge 8 ] || cores=8  # the test has several small jobs at the same time; what the machine has is no matter
export SLURM_CONF=$folder/etc/slurm.conf

alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && grep -q '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" 2>/dev/null
}

stop() {
  local pid_file
  for pid_file in "$folder"/run/slurmd.pid "$folder"/run/slurmctld.pid "$folder"/run/munged.pid; do
    if alive "$pid_file"; then kill "$(cat "$pid_file")" || true; fi
    for _ in $(seq 50); do alive "$pid_file" || break; sleep 0.1; done
  done
}

# Ports: chosen by the caller. The node has the machine's own name, so that mpirun starts its ranks itself: srun of a
# busy machine may give up the daemon that would start them elsewhere. A job that is put back into the queue waits until
# its credential has expired, and a busy machine does not start its tasks before a short one has.
write_configuration() {
  cat > "$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket,cred_expire=20
CredType=cred/munge
SlurmctldPort=$1
SlurmdPort=$2
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
TmpFS=$folder
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
NodeName=$host NodeAddr=127.0.0.1 Port=$2 CPUs=$cores RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=1-0 State=UP
END
}

start() {
  mkdir -p "$folder"/{etc,run,log,state,spool}
  chmod 755 "$folder" "$folder/run" "$folder/log"
  chmod 700 "$folder/etc" "$folder/state"
  head -c 128 /dev/urandom > "$folder/etc/munge.key"
  chmod 600 "$folder/etc/munge.key"
  local first_port=$((20000 + $$ % 10000 * 2))
  write_configuration "$first_port" $((first_port + 1))
  /usr/sbin/munged --force --key-file="$folder/etc/munge.key" --socket="$folder/run/munge.socket" \
    --pid-file="$folder/run/munged.pid" \
    --log-file="$folder/log/munged.log" --seed-file="$folder/state/munged.seed"
  /usr/sbin/slurmctld -f "$SLURM_CONF" -i
  /usr/sbin/slurmd -f "$SLURM_CONF" -N "$host"
  for _ in $(seq 60); do
    [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 1 ] && return
    sleep 0.5
  done
  echo "the node does not become idle; see $folder/log" >&2
  return 1
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) echo "usage: slurm.sh start|stop FOLDER" >&2; exit 2 ;;
esac
