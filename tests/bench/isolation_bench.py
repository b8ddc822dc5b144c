"""What a launch pays for a part of the isolation: `runc run` of the bundle that faasd makes, and of
the same bundle without that part, taking turns."""

import json
import shutil
import statistics
import tempfile

from faasd_process import HELLO_TAR, Faasd
from request_bench import BareRunc, bundle_config, ms


def without_filter(config):
    del config["linux"]["seccomp"]


PARTS = {"system call filter": without_filter}


def measure(rounds):
    """{part: figures} of one run."""
    faasd = Faasd()
    directory = tempfile.mkdtemp(prefix="b-")
    workers = {}
    try:
        config = bundle_config(faasd, faasd.deploy("hello", HELLO_TAR))
        workers["whole"] = BareRunc(config, directory, "whole")
        for number, (part, remove) in enumerate(PARTS.items()):
            lesser = json.loads(json.dumps(config))
            remove(lesser)
            workers[part] = BareRunc(lesser, directory, f"without{number}")
        times = _take_turns(workers, rounds)
    finally:
        for worker in workers.values():
            worker.close()
        shutil.rmtree(directory)
        faasd.destroy()
    return {part: _figures(times["whole"], times[part]) for part in PARTS}


def _take_turns(workers, rounds):
    times = {name: [] for name in workers}
    names = list(workers)
    for turn in range(rounds + 3):
        for name in names:
            taken = workers[name].ask()
            if turn >= 3:  # the first ones fill caches
                times[name].append(taken[1])
        names.append(names.pop(0))  # nobody is always behind the same one
    return times


def _figures(whole, without):
    differences = [a - b for a, b in zip(whole, without)]
    return {"rounds": len(whole), "with_ms": ms(whole), "without_ms": ms(without),
            "median_difference_ms": round(statistics.median(differences) * 1000, 2),
            "ratio": round(ms(whole) / ms(without), 3)}
