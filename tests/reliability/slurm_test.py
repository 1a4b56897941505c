#!/usr/bin/python3
"""scripts/slurm/fit_requeue.sbatch on a real Slurm of this machine: signalled before its limit, queued again, gone on and finished, with the bits of a run
that nobody disturbed.

    slurm_test.py PROGRAM MPIEXEC PROJECT_FOLDER

Ends with status 77 and the reason where Slurm is not installed or cannot be started.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from jobs import Job, PROGRAM, factors, fit_command, make_matrix, skip

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = sys.argv[3]
FIT = {"n-components": 10, "init": "random", "random-state": 3, "tol": 0, "max-iter": 100_000, "threads": 1}
CHECKPOINT_EVERY = 1  # most of the time goes into checkpoints: the undisturbed run is short
RANKS = 2
START_SECONDS = 60
JOB_SECONDS = 400


def check_possible():
    if os.geteuid() != 0:
        skip("starting Slurm needs root")
    missing = [name for name in ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "sbatch") if shutil.which(name) is None]
    if missing:
        skip(f"no {', '.join(missing)}; scripts/install_packages.sh slurm installs them")


def iterations_for(seconds, folder):
    """About how many iterations take so long here, with what else the machine is doing."""
    trial = 300
    started = time.monotonic()
    options = {**FIT, "max-iter": trial, "output": "trial.h5", "checkpoint": "trial.checkpoint", "checkpoint-every": CHECKPOINT_EVERY}
    status, output = Job(fit_command(options), RANKS, folder).end()
    assert status == 0, output
    return max(trial, int(trial * seconds / (time.monotonic() - started)))


def submit(folder, environment, iterations):
    options = [f"--{name}={value}" for name, value in {**FIT, "max-iter": iterations, "checkpoint-every": CHECKPOINT_EVERY}.items()]
    # A limit of one minute, the shortest that Slurm knows. The signal is due after 10 s; Slurm looks every 30 s. --max-time none: it is the signal that is to end the run.
    command = ["sbatch", "--parsable", "--nodes=1", f"--ntasks-per-node={RANKS}", "--cpus-per-task=1", "--time=1", "--signal=B:USR1@50", "--output=job.log",
               os.path.join(PROJECT, "scripts", "slurm", "fit_requeue.sbatch"), "X.h5", "model.h5", "--max-time=none", *options]
    submitted = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert submitted.returncode == 0, submitted.stderr
    return submitted.stdout.strip()


def wait_for(job, folder, environment):
    """The job's log when it has left the queue."""
    start = time.monotonic()
    log = os.path.join(folder, "job.log")
    while time.monotonic() < start + JOB_SECONDS:
        queue = subprocess.run(["squeue", "-h", "-o", "%T %r", "-j", job], env=environment, capture_output=True, text=True).stdout.strip()
        if queue.split(" ")[0] in ("", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"):
            break
        if not os.path.exists(log) and time.monotonic() > start + START_SECONDS:
            with open(os.path.join(folder, "cluster", "log", "slurmctld.log")) as controller:
                raise AssertionError(f"the job does not start: {queue}; {controller.read()}")
        time.sleep(0.5)
    with open(log) as file:
        return file.read() + f"\nstate in the queue: {queue}"


def check_requeue(folder, environment):
    make_matrix(os.path.join(folder, "X.h5"), rows=1200, columns=150)
    iterations = iterations_for(45, folder)
    log = wait_for(submit(folder, environment, iterations), folder, environment)
    print(log)
    for phrase in ("time limit near: asking the ranks to stop", "stopped after iteration", "mpirun ended with status 75", "queued again", "restart 1:",
                   "going on from", "mpirun ended with status 0", "model.h5 is there: done"):
        assert phrase in log, f"not in the job's log: {phrase}"
    reference = Job(fit_command({**FIT, "max-iter": iterations, "output": "reference.h5"}), RANKS, folder)
    status, output = reference.end(JOB_SECONDS)
    assert status == 0, output
    assert factors(os.path.join(folder, "model.h5")) == factors(os.path.join(folder, "reference.h5")), "W or H differ from those of an uninterrupted run"
    left = [name for name in os.listdir(folder) if name.startswith("model.h5.")]
    assert not left, f"files left behind: {left}"
    print(f"the same bits after {iterations} iterations")


def main():
    check_possible()
    with tempfile.TemporaryDirectory(prefix="scanmf-slurm-") as folder:
        cluster = os.path.join(folder, "cluster")
        os.mkdir(cluster)
        environment = {**os.environ, "SLURM_CONF": os.path.join(cluster, "etc", "slurm.conf"), "SCANMF": PROGRAM}
        try:
            # Daemons hold on to what they inherit: no pipes, or nobody would see their end.
            with open(os.path.join(folder, "start.log"), "w+") as log:
                started = subprocess.run([os.path.join(HERE, "slurm.sh"), "start", cluster], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                log.seek(0)
                if started.returncode != 0:
                    skip(f"Slurm does not start: {log.read()}")
            check_requeue(folder, environment)
        finally:
            subprocess.run([os.path.join(HERE, "slurm.sh"), "stop", cluster], check=False)


if __name__ == "__main__":
    main()
