#!/usr/bin/python3
"""Time of a checkpoint of `scanmf fit`, against a plain write of as many bytes to the same disk, flushed as well (dd
conv=fsync).

    tests/bench/checkpoint.py --program build/scanmf [--ranks 2] [--rows 2000000] [--components 50]
                              [--folder /tmp/scanmf-bench]

Prints one CSV line: megabytes of a checkpoint, seconds (the fastest and the median of several), gigabytes a second,
those of dd, and the share of a run's time that checkpoints take at the default interval of 15 minutes. The state is
saved after each iteration, with the one before it kept, as in a real run; both kinds of writing take turns. The first
files of a series are not counted: later ones find memory for the file cache that those before them have left. Run it on
an idle machine.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

DEFAULT_INTERVAL = 15 * 60
NOT_COUNTED = 3  # files that exist at the same time: the newest checkpoint, the one before it, the next one


def run(command, **options):
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return subprocess.run(command, check=True, env=environment, capture_output=True, text=True, **options)


def make_data(a):
    path = os.path.join(a.folder, f"checkpoint-{a.rows}x{a.columns}.h5")
    if not os.path.exists(path):
        run([
            a.program, "generate", "-o", path, "--n-samples",
            str(a.rows), "--n-features",
            str(a.columns), "-k", "5", "--random-state", "1", "--quiet"
        ])
    return path


def save_times(a, x, folder):
    """Seconds of each save of one run, and bytes of a checkpoint."""
    state = os.path.join(folder, "state.h5")
    fit = run([
        "mpirun", "-n",
        str(a.ranks), "--bind-to", "core", a.program, "fit", x, "-k",
        str(a.components), "--init", "random", "--random-state", "1", "--tol", "0", "--max-iter",
        str(NOT_COUNTED + a.saves), "--threads", "1", "--save-w", "false", "-o",
        os.path.join(folder, "model.h5"), "--checkpoint", state, "--checkpoint-every", "1", "--verbose", "1"
    ])
    times = [float(seconds) for seconds in re.findall(r"checkpoint after iteration \d+ in ([\d.]+) s, ", fit.stderr)]
    sizes = {int(size) for size in re.findall(r"checkpoint after iteration \d+ in [\d.]+ s, (\d+) bytes", fit.stderr)}
    assert len(times) == NOT_COUNTED + a.saves, fit.stderr
    return times[NOT_COUNTED:], max(sizes)


def dd_times(size, folder, count):
    """Seconds of plain writes; as with checkpoints, an older file is replaced."""
    times = []
    for _ in range(NOT_COUNTED + count):
        begin = time.perf_counter()
        with open("/dev/zero", "rb") as zeros:
            subprocess.run([
                "dd", f"of={folder}/plain.part", "bs=4M", f"count={size}", "iflag=count_bytes,fullblock", "conv=fsync",
                "status=none"
            ], check=True, stdin=zeros)
        os.rename(f"{folder}/plain.part", f"{folder}/plain")
        times.append(time.perf_counter() - begin)
    return times[NOT_COUNTED:]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/scanmf")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--rows", type=int, default=2_000_000)
    p.add_argument("--columns", type=int, default=20)
    p.add_argument("--components", type=int, default=50)
    p.add_argument("--saves", type=int, default=5, help="of a run, counted")
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--folder", default=os.path.join(os.environ.get("TMPDIR", "/tmp"), "scanmf-bench"))
    a = p.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    x = make_data(a)
    saves, plain, size = [], [], 0
    with tempfile.TemporaryDirectory(dir=a.folder) as folder:
        for _ in range(a.repeats):
            times, size = save_times(a, x, folder)
            saves += times
            plain += dd_times(size, folder, a.saves)
    best, median, plain_best, plain_median = min(saves), statistics.median(saves), min(plain), statistics.median(plain)
    print("ranks,megabytes,seconds_best,seconds_median,gb_per_s_best,gb_per_s_median,dd_gb_per_s_best,"
          "dd_gb_per_s_median,overhead_percent_at_15min")
    print(f"{a.ranks},{size / 1e6:.0f},{best:.3f},{median:.3f},{size / best * 1e-9:.2f},{size / median * 1e-9:.2f},"
          f"{size / plain_best * 1e-9:.2f},"
          f"{size / plain_median * 1e-9:.2f},{100 * median / (DEFAULT_INTERVAL + median):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
