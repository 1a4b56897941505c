#!/usr/bin/python3
"""Predicts the parallel efficiency of a fit on large clusters, by formulas and by simulating the ranks' talk message by
message (SimGrid's SMPI).

    apt-get install libsimgrid-dev
    tests/bench/scaling_model.py [--ranks 64 512 1024] [--rows 100000000] [--columns 10000] [--components 50]
                                 [--cores 16] [--sparse NONZEROS_A_ROW]

The simulated program (scaling_model.cpp) calls the program's own Communicator in the order of
estimator/pass_runner.cpp; computing is simulated time, from the rates below. Strong scaling: --rows in all; weak: as
many rows a rank as the largest number of ranks leaves. One rank a node, --cores threads each. Prints a table:
milliseconds of an iteration by the formula and simulated, with ring algorithms (the formula's) and with those that Open
MPI would choose.
"""
import argparse
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
SOURCES = [
    "tests/bench/scaling_model.cpp", "src/core/exact_sum.cpp", "src/core/tree_sum.cpp", "src/linalg/tiling.cpp",
    "src/parallel/communicator.cpp", "src/parallel/ordered_sum.cpp", "src/parallel/row_partition.cpp"
]

# Measured on AMD EPYC (Zen 5), float32, k = 50, one core.
DENSE_FLOPS = 150e9  # of 4·n·k a row
SPARSE_FLOPS = 18e9  # of 4·(non-zeros)·k a row
COLUMN_SECONDS = 2.5e-7  # updating a column of H, and its part of H·Hᵀ, k = 50
MEMORY_BANDWIDTH = 10e9  # bytes a second
REPLICATED_SWEEPS = 10  # times that a rank goes through an n × k array in an iteration, whatever the number of ranks
# Of the network: one port a node.
LATENCY = 2e-6
BANDWIDTH = 12.5e9
RING = ["--cfg=smpi/allgatherv:ring", "--cfg=smpi/allreduce:rdb"]
OPEN_MPI = ["--cfg=smpi/coll-selector:ompi"]


class Model:
    """Seconds of an iteration: n × k statistic of N bytes, P ranks of c cores."""
    def __init__(self, a):
        self.n, self.k = a.columns, a.components
        flops = 4 * (a.sparse or a.columns) * a.components
        self.row = flops / ((SPARSE_FLOPS if a.sparse else DENSE_FLOPS) * a.cores)
        self.column = COLUMN_SECONDS * (a.components / 50)**2 / a.cores
        self.bytes = 4 * self.n * self.k
        self.replicated = REPLICATED_SWEEPS * self.bytes / MEMORY_BANDWIDTH

    def communication(self, ranks):
        steps = math.ceil(math.log2(ranks)) if ranks > 1 else 0
        small = steps * (2 * LATENCY + 8 * (12 + 2 * self.k**2) / BANDWIDTH)
        ring = (ranks - 1) * (LATENCY + self.bytes / ranks / BANDWIDTH)
        return small + 2 * ring

    def iteration(self, rows, ranks):
        return rows / ranks * self.row + self.n / ranks * self.column + self.replicated + self.communication(ranks)


def write_cluster(folder, ranks):
    with open(os.path.join(folder, "cluster.xml"), "w") as file:
        file.write(f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="n" suffix="" radical="0-{ranks - 1}" speed="1Gf" core="1"
           bw="{BANDWIDTH * 1e-9}GBps" lat="{LATENCY / 2 * 1e6}us"/>
</platform>
""")
    with open(os.path.join(folder, "hosts.txt"), "w") as file:
        file.writelines(f"n{i}\n" for i in range(ranks))


def build(folder):
    program = os.path.join(folder, "scaling_model")
    subprocess.run(["smpicxx", "-O2", "-std=c++20", "-Iinclude", "-Isrc", *SOURCES, "-o", program], cwd=PROJECT,
                   check=True)
    return program


def simulate(program, folder, a, model, rows, ranks, algorithms):
    """Seconds of an iteration."""
    write_cluster(folder, ranks)
    # Latencies and bandwidths as they stand in the cluster's description, no globals to keep apart, no time of this
    # machine. Sends end with their receipt: of small ones that end at once, SimGrid keeps a list for each rank which it
    # searches from its beginning (1,024 ranks did not end in 90 minutes, and now do in one; at 256 and 512 the same
    # milliseconds either way).
    command = [
        "smpirun", "-no-privatize", "-np",
        str(ranks), "-platform", "cluster.xml", "-hostfile", "hosts.txt", "--cfg=smpi/host-speed:1Gf",
        "--cfg=smpi/simulate-computation:no", "--cfg=smpi/lat-factor:0:1", "--cfg=smpi/bw-factor:0:1",
        "--cfg=smpi/send-is-detached-thresh:0", "--log=root.thres:warning", *algorithms, program,
        *map(str, (rows, a.columns, a.components, 1, model.row, model.column, model.replicated))
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[0])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ranks", type=int, nargs="+", default=[64, 512, 1024])
    p.add_argument("--rows", type=int, default=100_000_000)
    p.add_argument("--columns", type=int, default=10_000)
    p.add_argument("--components", type=int, default=50)
    p.add_argument("--cores", type=int, default=16, help="of a rank")
    p.add_argument("--sparse", type=int, help="non-zeros of a row; without it X is dense")
    p.add_argument("--formula-only", action="store_true", help="no simulation")
    a = p.parse_args()
    model = Model(a)
    print("| scaling | ranks | rows | formula, ms | ring, ms | Open MPI, ms | efficiency: formula | ring | Open MPI |\n"
          "|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="scanmf-model-") as folder:
        program = None if a.formula_only else build(folder)
        for kind in ("strong", "weak"):
            for ranks in a.ranks:
                rows = a.rows if kind == "strong" else a.rows // max(a.ranks) * ranks
                seconds = [model.iteration(rows, ranks)]
                seconds += [
                    simulate(program, folder, a, model, rows, ranks, algorithms) for algorithms in (RING, OPEN_MPI)
                ] if program else []
                alone = model.iteration(rows if kind == "strong" else rows / ranks,
                                        1) / (ranks if kind == "strong" else 1)
                cells = [f"{1e3 * s:.2f}"
                         for s in seconds] + [""] * (3 - len(seconds)) + [f"{100 * alone / s:.1f} %" for s in seconds]
                print(f"| {kind} | {ranks} | {rows} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
