#!/usr/bin/python3
"""A table of a scaling study: seconds an iteration, speed-up and efficiency by the number of ranks.

    scaling_table.py FOLDER        with strong-RANKS.json or weak-RANKS.json, the logs that scaling.sbatch writes
"""
import glob
import json
import os
import re
import statistics
import sys


def seconds_an_iteration(path):
    """The median over the iterations of a log; the first one may contain what happens only once."""
    with open(path) as file:
        events = [json.loads(line) for line in file]
    seconds = [event["iteration_seconds"] for event in events if event.get("event") == "iteration"]
    return statistics.median(seconds[1:] or seconds)


def main(folder):
    for kind in ("strong", "weak"):
        times = {}
        for path in glob.glob(os.path.join(folder, f"{kind}-*.json")):
            times[int(re.search(r"-(\d+)\.json$", path).group(1))] = seconds_an_iteration(path)
        if not times:
            continue
        least = min(times)
        print(f"{kind} scaling\n{'ranks':>6} {'s/iteration':>12} {'speed-up':>9} {'efficiency':>11}")
        for ranks, seconds in sorted(times.items()):
            gain = times[least] / seconds
            speed_up = gain if kind == "strong" else gain * ranks / least
            print(f"{ranks:>6} {seconds:>12.6f} {speed_up:>9.2f} {100 * speed_up * least / ranks:>10.0f}%")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
