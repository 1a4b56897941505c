#!/usr/bin/python3
"""Kills running fits with SIGKILL at random moments and lets the same command go on, on other numbers of ranks and
threads each time, until it is done: W and H must have the bits of a run that nobody disturbed, and no kill may leave a
state that the next run cannot go on from.

    kill_suite.py PROGRAM MPIEXEC [KILLS=20] [SEED=1]

Half of the kills come while a file is being written (checkpoint or model), the others anywhere, the program's start
included. They hit mpirun and all ranks together, one rank alone, or mpirun alone. Ends with status 1 when a check
fails.
"""
import os
import random
import subprocess
import sys
import tempfile
import time

from jobs import PROGRAM, Job, factors, fit_command, identity, make_matrix, wait_until

KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 20
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1

COMMON = {"n-components": 6, "init": "random", "random-state": 3, "tol": 0, "output": "model.h5"}
KINDS = {
    "cd": {
        "max-iter": 200
    },
    "extrapolation": {
        "acceleration": "extrapolation",
        "max-iter": 200
    },
    "mu": {
        "solver": "mu",
        "beta-loss": "kullback-leibler",
        "max-iter": 150
    },
    "mini-batch": {
        "estimator": "minibatch-nmf",
        "batch-size": 150,
        "max-iter": 25,
        "max-no-improvement": "none"
    },
}
STREAMED = {"memory": "200K"}


def kinds():
    """The fits to kill; streamed ones too where the program has them."""
    text = subprocess.run([PROGRAM, "fit", "--help"], capture_output=True, text=True, check=True).stdout
    found = dict(KINDS)
    if "--memory" in text:
        found.update({f"{name}, streamed": {**options, **STREAMED} for name, options in KINDS.items()})
    return found


class Killer:
    """Chooses moments and victims, from a seed."""
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.counts = {"while writing": 0, "elsewhere": 0}

    def strike(self, job, folder):
        """Kills a part of the job at a random moment. False when the job was done before."""
        state = os.path.join(folder, "state.h5")
        if self.random.random() < 0.2:
            time.sleep(self.random.uniform(0, 0.8))
        else:
            wait_until(lambda: identity(state) or not job.is_running(), "the first checkpoint")
            for _ in range(self.random.randint(1, 8)):
                before = identity(state)
                wait_until(lambda: identity(state) != before or not job.is_running(), "the next checkpoint")
            if self.random.random() < 0.65:
                wait_until(lambda: is_writing(folder) or not job.is_running(), "a file being written")
                time.sleep(self.random.uniform(0, 0.003))
            else:
                time.sleep(self.random.uniform(0, 0.1))
        ranks = job.ranks()
        victims = self.random.choice([job.processes(), job.processes(), ranks[-1:], ranks[:1], [job.process.pid]])
        if not job.is_running() or not victims:
            return False
        job.kill(victims)
        job.end(30)
        self.counts["while writing" if is_writing(folder) else "elsewhere"] += 1
        return True


def is_writing(folder):
    """Checkpoints and models have another name until they are complete."""
    return any(".part-" in name and ".lock" not in name for name in os.listdir(folder))


def check_run(killer, kind, options, ranks, kills):
    """One fit, killed several times, and what is wrong with its result (None: nothing). Number of kills."""
    with tempfile.TemporaryDirectory(prefix="scanmf-kill-") as folder:
        make_matrix(os.path.join(folder, "X.h5"), rows=900, columns=120)
        options = {**COMMON, **options}
        reference = Job(fit_command({**options, "output": "reference.h5"}), ranks, folder)
        status, output = reference.end()
        if status != 0:
            return f"the uninterrupted run ended with status {status}: {output}", 0
        done = 0
        for attempt in range(kills + 1):
            now = {**options, "checkpoint": "state.h5", "checkpoint-every": 1, "threads": killer.random.randint(1, 2)}
            job = Job(fit_command(now), ranks if attempt == 0 else killer.random.choice((1, 2, 3, 4)), folder)
            if attempt == kills or not killer.strike(job, folder):
                break
            done += 1
        status, output = job.end()
        if status != 0:
            return f"cannot go on: status {status}: {output}", done
        if factors(os.path.join(folder, "model.h5")) != factors(os.path.join(folder, "reference.h5")):
            return "W or H differ from those of the uninterrupted run", done
        left = set(os.listdir(folder)) - {"X.h5", "model.h5", "reference.h5"}
        return (f"files left behind: {', '.join(sorted(left))}" if left else None), done


def main():
    killer = Killer(SEED)
    runs = [(kind, options, ranks) for kind, options in kinds().items() for ranks in (1, 2, 3)]
    killer.random.shuffle(runs)
    kills = passed = failed = 0
    while kills < KILLS and failed < 5:
        kind, options, ranks = runs[(passed + failed) % len(runs)]
        fault, done = check_run(killer, kind, options, ranks, min(3, KILLS - kills))
        kills += done
        passed, failed = passed + (fault is None), failed + (fault is not None)
        print(f"{kind}, ranks at first: {ranks}, {done} kills: {fault or 'the same bits'}", flush=True)
    print(f"{kills} kills ({killer.counts['while writing']} of them while a file was being written), seed {SEED}")
    print(f"{passed} runs passed, {failed} runs failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
