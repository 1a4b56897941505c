#!/usr/bin/python3
"""All templates of scripts/slurm on a real Slurm of this machine, several jobs at the same time: jobs that are
signalled or stop by themselves before their limit go on when they are queued or submitted again, to the bits of a run
that nobody disturbed; scaling studies end with their table.

    slurm_test.py PROGRAM MPIEXEC PROJECT_FOLDER

Ends with status 77 and the reason where Slurm is not installed or cannot be started.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py

from jobs import Job, PROGRAM, factors, fit_command, make_matrix, skip, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = sys.argv[3]
TEMPLATES = os.path.join(PROJECT, "scripts", "slurm")
# Saved in each iteration, which is slow: an undisturbed run of as many iterations is short.
FIT = {"init": "random", "random-state": 3, "solver": "mu", "tol": 0, "threads": 1, "config": "fit.conf"}
UNTIL_STOPPED = 1_000_000  # iterations: more than fit into any of the jobs' time
MORE = 20  # iterations of the run that goes on
ENDED = ("", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")
JOB_SECONDS = 300
COMPONENTS = (4, 5)  # of the array


def check_possible():
    if os.geteuid() != 0:
        skip("starting Slurm needs root")
    missing = [
        name for name in ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "sbatch")
        if shutil.which(name) is None
    ]
    if missing:
        skip(f"no {', '.join(missing)}; scripts/install_packages.sh slurm installs them")


class Slurm:
    """The cluster, and a folder for each study."""
    def __init__(self, folder):
        self.folder = folder
        self.cluster = os.path.join(folder, "cluster")
        os.mkdir(self.cluster)
        self.environment = {
            **os.environ, "SLURM_CONF": os.path.join(self.cluster, "etc", "slurm.conf"),
            "SCANMF": PROGRAM,
            "SCALING_TABLE": os.path.join(TEMPLATES, "scaling_table.py")
        }

    def start(self):
        # Daemons hold on to what they inherit: no pipes, or nobody would see their end.
        with open(os.path.join(self.folder, "start.log"), "w+") as log:
            started = subprocess.run([os.path.join(HERE, "slurm.sh"), "start", self.cluster], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log)
            log.seek(0)
            if started.returncode != 0:
                skip(f"Slurm does not start: {log.read()}")

    def stop(self):
        subprocess.run([os.path.join(HERE, "slurm.sh"), "stop", self.cluster], check=False)

    def query(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout.strip()

    def submit(self, folder, template, *arguments, options=(), changes=None):
        """The job's number. A limit of one minute, the shortest that Slurm knows."""
        command = [
            "sbatch", "--parsable", "--nodes=1", "--cpus-per-task=1", "--time=1", *options,
            os.path.join(TEMPLATES, template), *arguments
        ]
        submitted = subprocess.run(command, cwd=folder, env={
            **self.environment,
            **(changes or {})
        }, capture_output=True, text=True)
        assert submitted.returncode == 0, submitted.stderr
        return submitted.stdout.strip()

    def launch(self, logs, *job, **how):
        """Submits and waits until all iterate. `logs`: patterns of the logs' paths, to be filled with the number."""
        number = self.submit(*job, **how)
        paths = [log % number for log in logs]
        wait_until(lambda: all("iteration " in read(path) for path in paths), paths, JOB_SECONDS, 0.1)
        return number

    def wait_for(self, job):
        """Waits until the job, or each job of an array, has left the queue."""
        def ended():
            return all(state in ENDED for state in self.query("squeue", "-h", "-r", "-o", "%T", "-j", job).splitlines())

        try:
            wait_until(ended, f"job {job}", JOB_SECONDS, 0.3)
        except AssertionError as error:
            with open(os.path.join(self.cluster, "log", "slurmctld.log")) as controller:
                raise AssertionError(f"{error}: {self.query('squeue')}\n{controller.read()[-5000:]}") from error


def write(path, text, executable=False):
    with open(path, "w") as file:
        file.write(text)
    if executable:
        os.chmod(path, 0o755)


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def set_iterations(folder, count):
    """The number may change when a run goes on; the job's command stays as it is."""
    write(os.path.join(folder, "fit.conf"), f"max-iter = {count}\n")


def iterations_of(path):
    with h5py.File(path, "r") as file:
        return int(file.attrs["n_iter"])


def options_of(fit):
    return [f"--{name}={value}" for name, value in fit.items()]


class Templates(unittest.TestCase):
    """The jobs that have to wait for their limit are submitted together, before the tests."""
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="scanmf-slurm-")
        cls.addClassCleanup(temporary.cleanup)
        cls.slurm = Slurm(temporary.name)
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()
        cls.folders = {}
        for name in ("fit", "requeue", "array", "scaling", "ensemble"):
            cls.folders[name] = os.path.join(temporary.name, name)
            os.mkdir(cls.folders[name])
            make_matrix(os.path.join(cls.folders[name], "X.h5"))
            set_iterations(cls.folders[name], UNTIL_STOPPED)
        cls.submit_all()

    @classmethod
    def submit_all(cls):
        two_ranks, one_rank = "--ntasks-per-node=2", "--ntasks-per-node=1"
        cls.scaling = [
            cls.slurm.submit(cls.folders["scaling"], "scaling.sbatch", kind, rows, "100", "8", options=[two_ranks])
            for kind, rows in (("strong", "4000"), ("weak", "2000"))
        ]
        # Slurm sends signals up to a minute earlier than it is told: the first one comes at once or within half a
        # minute, that of the job that queues itself again not before half a minute has passed, which the run that goes
        # on needs. --max-time none: it is the signal that is to end these runs.
        fit_options = [two_ranks, "--output=job-%j.log"]
        soon = ["--time=2", "--signal=B:USR1@90"]
        later = ["--time=3", "--signal=B:USR1@90"]
        cls.last_options = [*fit_options, "--time=2", "--signal=B:USR1@1"]
        cls.fit_arguments = [
            "X.h5", "model.h5", "--n-components=6", "--max-time=none", "--checkpoint-every=1", *options_of(FIT)
        ]
        cls.fit = cls.slurm.launch([os.path.join(cls.folders["fit"], "job-%s.log")], cls.folders["fit"], "fit.sbatch",
                                   *cls.fit_arguments, options=fit_options + soon)
        cls.requeue = cls.slurm.launch([os.path.join(cls.folders["requeue"], "job-%s.log")], cls.folders["requeue"],
                                       "fit_requeue.sbatch", *cls.fit_arguments, options=fit_options + later)
        # Of the array, half of the jobs know their end from the environment, the others have to ask Slurm.
        wrapper = os.path.join(cls.folders["array"], "scanmf.sh")
        write(wrapper,
              f'#!/bin/bash\n(( SLURM_ARRAY_TASK_ID % 2 )) && unset SLURM_JOB_END_TIME\nexec "{PROGRAM}" "$@"\n',
              executable=True)
        cls.array_options = [one_rank, f"--array={','.join(map(str, COMPONENTS))}", "--output=job-%A-k%a.log"]
        cls.array_arguments = ["X.h5", "--checkpoint-every=1", *options_of(FIT)]
        cls.wrapped = {"SCANMF": wrapper}
        logs = [os.path.join(cls.folders["array"], f"job-%s-k{k}.log") for k in COMPONENTS]
        cls.array = cls.slurm.launch(logs, cls.folders["array"], "components_array.sbatch", *cls.array_arguments,
                                     options=cls.array_options, changes=cls.wrapped)
        # The queued job is to get done when it starts again.
        folder = cls.folders["requeue"]
        wait_until(lambda: "queued again" in read(os.path.join(folder, f"job-{cls.requeue}.log")), "the signal",
                   JOB_SECONDS, 0.1)
        set_iterations(folder, iterations_of(os.path.join(folder, "model.h5.checkpoint")) + MORE)

    def expect_phrases(self, log, *phrases):
        print(log)
        for phrase in phrases:
            self.assertIn(phrase, log)

    def expect_same_bits(self, folder, model, components, ranks):
        """As an uninterrupted run of as many iterations; nothing else is left."""
        path = os.path.join(folder, model)
        reference = Job(
            fit_command({
                **FIT, "n-components": components,
                "max-iter": iterations_of(path),
                "output": "reference.h5"
            }), ranks, folder)
        self.addCleanup(reference.close)
        status, output = reference.end(JOB_SECONDS)
        self.assertEqual(status, 0, output)
        self.assertTrue(
            factors(path) == factors(os.path.join(folder, "reference.h5")),
            "W or H differ from those of an uninterrupted run")
        self.assertEqual([name for name in os.listdir(folder) if name.startswith(model + ".")], [], "files left behind")

    def test_fit(self):
        folder, log = self.folders["fit"], os.path.join(self.folders["fit"], "job-%s.log")
        self.slurm.wait_for(self.fit)
        self.expect_phrases(read(log % self.fit), "stopped after iteration", "SIGUSR1",
                            "submit the same job again to go on")
        self.assertFalse(os.path.exists(os.path.join(folder, "model.h5")))
        set_iterations(folder, iterations_of(os.path.join(folder, "model.h5.checkpoint")) + MORE)
        again = self.slurm.submit(folder, "fit.sbatch", *self.fit_arguments, options=self.last_options)
        self.slurm.wait_for(again)
        self.expect_phrases(read(log % again), "going on from", "model.h5 is there: done")
        self.expect_same_bits(folder, "model.h5", 6, 2)
        once_more = self.slurm.submit(folder, "fit.sbatch", *self.fit_arguments, options=self.last_options)
        self.slurm.wait_for(once_more)
        self.expect_phrases(read(log % once_more), "model.h5 exists already")

    def test_requeue(self):
        folder = self.folders["requeue"]
        self.slurm.wait_for(self.requeue)
        self.expect_phrases(read(os.path.join(folder,
                                              f"job-{self.requeue}.log")), "time limit near: asking the ranks to stop",
                            "stopped after iteration", "mpirun ended with status 75", "queued again", "restart 1:",
                            "going on from", "mpirun ended with status 0", "model.h5 is there: done")
        self.expect_same_bits(folder, "model.h5", 6, 2)

    def test_components_array(self):
        folder, log = self.folders["array"], os.path.join(self.folders["array"], "job-%s-k%d.log")
        self.slurm.wait_for(self.array)
        for k in COMPONENTS:
            text = read(log % (self.array, k))
            self.expect_phrases(text, "stopped after iteration", "the time limit is near",
                                "submit the same array again to go on")
            self.assertRegex(text, r"Slurm leaves (5\d|60) s to this job")
        set_iterations(folder,
                       max(iterations_of(os.path.join(folder, f"model-k{k}.h5.checkpoint")) for k in COMPONENTS) + MORE)
        again = self.slurm.submit(folder, "components_array.sbatch", *self.array_arguments, options=self.array_options,
                                  changes=self.wrapped)
        self.slurm.wait_for(again)
        for k in COMPONENTS:
            self.expect_phrases(read(log % (again, k)), "going on from", f"model-k{k}.h5 is there: done")
            self.expect_same_bits(folder, f"model-k{k}.h5", k, 1)

    def test_ensemble(self):
        """One that stops in time by itself keeps its checkpoint, one that gets done does not."""
        folder, log = self.folders["ensemble"], os.path.join(self.folders["ensemble"], "job-%s.log")
        options = ["--ntasks-per-node=2", "--output=job-%j.log"]
        arguments = [
            "X.h5", "ensemble.h5", "-k", "3:4", "--replicates=2", "--random-state=3", "--tol=0", "--max-iter=20000000",
            "--max-time=0:05"
        ]
        job = self.slurm.submit(folder, "ensemble.sbatch", *arguments, options=options)
        self.slurm.wait_for(job)
        self.expect_phrases(read(log % job), "stopped after 0 replicates", "submit the same job again to go on")
        self.assertTrue(os.path.exists(os.path.join(folder, "ensemble.h5.checkpoint")))
        done = self.slurm.submit(folder, "ensemble.sbatch", "X.h5", "small.h5", "-k", "3:4", "--replicates=2",
                                 "--max-iter=20", options=options)
        self.slurm.wait_for(done)
        self.expect_phrases(read(log % done), "small.h5 is there: done")
        self.assertFalse(os.path.exists(os.path.join(folder, "small.h5.checkpoint")))
        again = self.slurm.submit(folder, "ensemble.sbatch", "X.h5", "small.h5", "-k", "3:4", options=options)
        self.slurm.wait_for(again)
        self.expect_phrases(read(log % again), "small.h5 exists already")

    def test_scaling(self):
        for kind, job in zip(("strong", "weak"), self.scaling):
            self.slurm.wait_for(job)
            folder = self.folders["scaling"]
            log = read(os.path.join(folder, f"scanmf-scaling-{job}.log"))
            self.expect_phrases(log, f"{kind} scaling", "efficiency")
            rows = re.findall(r"^ +(\d+) +(\d+\.\d+) +(\d+\.\d+) +(\d+)%$", log, re.MULTILINE)
            self.assertEqual([row[0] for row in rows], ["1", "2"])
            self.assertEqual(rows[0][2:], ("1.00", "100"))
            self.assertTrue(all(float(row[1]) > 0 for row in rows), rows)
            self.assertEqual(sorted(os.listdir(os.path.join(folder, f"scaling-{job}"))),
                             [f"{kind}-1.json", f"{kind}-2.json"])


if __name__ == "__main__":
    check_possible()
    unittest.main(argv=sys.argv[:1], verbosity=2)
