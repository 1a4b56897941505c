#!/usr/bin/python3
"""A run on two hosts (network namespaces of this machine) ends within seconds when a host crashes or its network is
cut, and goes on on the host that is left.

    hosts_test.py PROGRAM MPIEXEC

Ends with status 77 and the reason where no network namespaces can be made.
"""
import os
import shutil
import subprocess

from jobs import MPIEXEC, JobTest, run_tests, skip

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = os.path.join(HERE, "hosts.sh")
NAME = f"scanmf{os.getpid()}"
COUNT = 2
KEEP_ALIVE = [
    "--mca", "oob_tcp_keepalive_time", "3", "--mca", "oob_tcp_keepalive_intvl", "2", "--mca",
    "oob_tcp_keepalive_probes", "3"
]
NETWORK = [
    "--mca", "plm", "rsh", "--mca", "plm_rsh_agent",
    os.path.join(HERE, "ssh_stand_in.sh"), "--mca", "pml", "ob1", "--mca", "btl", "tcp,self,vader", "--mca",
    "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24"
]


def hosts(command, *arguments):
    return subprocess.run([HOSTS, command, NAME, *(str(argument) for argument in arguments)], capture_output=True,
                          text=True)


class Hosts(JobTest):
    def setUp(self):
        super().setUp()
        up = hosts("up", COUNT)
        self.addCleanup(hosts, "down", COUNT)
        self.assertEqual(up.returncode, 0, up.stderr)

    def start_on(self, host_list):
        """A run started on the first host, one rank on each."""
        launcher = [
            HOSTS, "run", f"{NAME}-1", MPIEXEC, "-n",
            str(len(host_list)), *NETWORK, *KEEP_ALIVE, "--host", ",".join(f"{NAME}-{i}" for i in host_list)
        ]
        return self.start(None, wrapper=launcher)

    def check_loss_of_second_host(self, loss):
        self.expect(self.start_on([1, 2]), 0)
        os.rename(self.path("model.h5"), self.path("reference.h5"))
        job = self.start_on([1, 2])
        self.wait_for_checkpoints(job)
        loss()
        status, output = job.end(40)
        self.assertNotEqual(status, 0, output)
        self.expect(self.start_on([1]), 0, "going on from")

    def test_crash(self):
        self.check_loss_of_second_host(lambda: hosts("crash", 2))

    def test_cut_link(self):
        def cut():
            hosts("cut", 2)

        self.check_loss_of_second_host(cut)


def check_possible():
    if os.geteuid() != 0:
        skip("network namespaces need root")
    if shutil.which("ip") is None:
        skip("no ip (package iproute2)")
    up = hosts("up", COUNT)
    hosts("down", COUNT)
    if up.returncode != 0:
        skip(f"no network namespaces: {up.stderr.strip()}")


if __name__ == "__main__":
    check_possible()
    run_tests()
