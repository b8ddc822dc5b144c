"""What a launch pays for a part of the isolation: `runc run` of the bundle that faasd makes, and of
the same bundle without that part, taking turns. Processor time is that of the runtime and of all
that it started; it is the steadier of the two on a machine that others use."""

import json
import resource
import shutil
import statistics
import tempfile

import images
from faasd_process import HELLO_TAR, Faasd, curl
from request_bench import LONGER_THAN_THE_BENCH, BareRunc, lasting_configs, ms


def without_filter(config):
    del config["linux"]["seccomp"]


def without_broker(config):
    """The same filter, but what it asks about is allowed."""
    seccomp = config["linux"]["seccomp"]
    del seccomp["listenerPath"], seccomp["listenerMetadata"]
    for rule in seccomp["syscalls"]:
        if rule["action"] == "SCMP_ACT_NOTIFY":
            rule["action"] = "SCMP_ACT_ALLOW"


def without_users(config):
    linux = config["linux"]
    del linux["uidMappings"], linux["gidMappings"]
    linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] != "user"]


def without_all(config):
    without_users(config)
    without_filter(config)


PARTS = {"system call filter": without_filter, "connect broker": without_broker,
         "users of its own": without_users, "all of these": without_all}


def measure(rounds):
    """{part: figures} of one run."""
    faasd = Faasd()
    directory = tempfile.mkdtemp(prefix="b-")
    workers = {}
    try:
        address = faasd.deploy("hello", HELLO_TAR, "--timeout", LONGER_THAN_THE_BENCH)
        with lasting_configs(faasd, address, 1) as (config,):
            workers["whole"] = BareRunc(config, directory, "whole", faasd)
            for number, (part, remove) in enumerate(PARTS.items()):
                lesser = json.loads(json.dumps(config))
                remove(lesser)
                workers[part] = BareRunc(lesser, directory, f"without{number}", faasd)
            times = _take_turns(workers, rounds)
        connects = _connects_us(faasd.deploy("connects", images.misbehave("time-connects")), rounds)
    finally:
        for worker in workers.values():
            worker.close()
        shutil.rmtree(directory)
        faasd.destroy()
    figures = {part: _figures(times["whole"], times[part]) for part in PARTS}
    figures["connect broker"]["one_connect_us"] = connects
    return figures


def _connects_us(address, rounds):
    """The median of what a handler waits for a connect that the broker makes: each makes one, to
    /control.sock."""
    return statistics.median(float(curl(address).body) for _ in range(max(5, rounds // 10)))


def _processor_s():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _take_turns(workers, rounds):
    """{name: [(seconds, seconds of processor time)]}"""
    times = {name: [] for name in workers}
    names = list(workers)
    for turn in range(rounds + 3):
        for name in names:
            before = _processor_s()
            _, taken = workers[name].ask()
            if turn >= 3:  # the first ones fill caches
                times[name].append((taken, _processor_s() - before))
        names.append(names.pop(0))  # nobody is always behind the same one
    return times


def _typical_difference(more, less):
    """The median of what each round took more, and how far a sample of this size may be off."""
    differences = sorted((one - other) * 1000 for one, other in zip(more, less))
    count = len(differences)
    off = statistics.NormalDist().inv_cdf(0.975) * count ** 0.5 / 2  # in ranks, of 95 %
    low, high = (differences[min(max(round(count / 2 + side * off), 0), count - 1)]
                 for side in (-1, 1))
    return f"{statistics.median(differences):.2f} ({low:.2f} to {high:.2f})"


def _figures(whole, without):
    figures = {"rounds": len(whole)}
    for name, at in (("launch", 0), ("processor", 1)):
        more, less = ([pair[at] for pair in pairs] for pairs in (whole, without))
        figures |= {f"{name}_with_ms": ms(more), f"{name}_without_ms": ms(less),
                    f"{name}_ratio": round(statistics.median(more) / statistics.median(less), 3),
                    f"{name}_more_ms": _typical_difference(more, less)}
    return figures
