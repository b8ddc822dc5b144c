"""A daemon with very many functions of one image, by the native launcher.

What a deploy of one costs when there are few and when there are many, what the daemon holds while
nobody calls them, what a request to one of them takes beside a daemon that has no other, and how
long a restart is until it is ready.
"""

import contextlib
import statistics
import time

import machine
from faasd_process import HELLO_TAR, PATIENCE_S, Faasd, Subnet
from request_bench import ask, ms, p99_ms

MIB = 1 << 20
FLAGS = ("--launcher", "native")
# With thousands of functions a start or an end takes a moment, on a slow machine more.
LONG_S = 20 * PATIENCE_S
DEPLOYS_COMPARED = 50


class Sizes:
    def __init__(self, quick):
        self.functions = (100,) if quick else (1_000, 10_000)
        self.rounds = 20 if quick else 300
        self.restarts = 1 if quick else 3


def deploy_many(daemon, count):
    """Seconds of each."""
    with open(HELLO_TAR, "rb") as file:
        archive = file.read()
    taken = []
    for number in range(count):
        started = time.perf_counter()
        status, _, answer = daemon.api("PUT", f"/v1/functions/f{number}", archive)
        taken.append(time.perf_counter() - started)
        if status not in (200, 201):
            raise RuntimeError(f"deploy {number}: {status} {answer}")
    return taken


def held_idle(daemon):
    """Of a daemon that nobody calls."""
    footprint = daemon.footprint()
    return {"processes": footprint["processes"], "mounts": footprint["mounts"],
            "descriptors": footprint["fds"],
            "resident_MiB": round(machine.resident_bytes(daemon.process.pid) / MIB, 1)}


def measure_requests(one, one_of_many, each_another, sizes):
    """In turns: of the daemon with a single function, and of the other one."""
    taken = {"single": [], "one of them": [], "each another": []}
    for turn in range(sizes.rounds + 3):
        for name, address in (("single", one), ("one of them", one_of_many),
                              ("each another", each_another[turn % len(each_another)])):
            seconds = ask(address)
            if turn >= 3:  # the first ones fill caches
                taken[name].append(seconds)
    figures = {f"{name.replace(' ', '_')}_p50_ms": ms(seconds) for name, seconds in taken.items()}
    figures.update({f"{name.replace(' ', '_')}_p99_ms": p99_ms(seconds)
                    for name, seconds in taken.items()})
    return {**figures,
            "ratio": round(statistics.median(taken["one of them"]) /
                           statistics.median(taken["single"]), 3),
            "ratio_each_another": round(statistics.median(taken["each another"]) /
                                        statistics.median(taken["single"]), 3)}


def stop(daemon):
    """Seconds until it has ended."""
    started = time.perf_counter()
    daemon.terminate()
    status = daemon.process.wait(LONG_S)
    taken = time.perf_counter() - started
    if status != 0:
        raise RuntimeError(f"exit status {status}\n{daemon.log.tail()}")
    return taken


def measure_restarts(daemon, sizes):
    """Seconds of its end, and of a start until it is ready; it is not there any more."""
    ends, starts, resident = [stop(daemon)], [], 0
    for _ in range(sizes.restarts):
        started = time.perf_counter()
        successor = daemon.successor(*FLAGS, wait=False)
        try:
            successor.log.wait_for("ready", LONG_S)
            starts.append(time.perf_counter() - started)
            resident = machine.resident_bytes(successor.process.pid)
            ends.append(stop(successor))
        finally:
            successor.destroy()
    return {"restart_to_ready_s": round(statistics.median(starts), 2),
            "end_s": round(statistics.median(ends), 2),
            "resident_after_restart_MiB": round(resident / MIB, 1)}


def measure_many(daemon, alone, count, sizes):
    before = held_idle(daemon)
    deploys = deploy_many(daemon, count)
    idle = held_idle(daemon)
    addresses = [daemon.ip(f"f{count * part // 10}") for part in range(10)]
    return {
        "deploy_first_ms": ms(deploys[1:DEPLOYS_COMPARED]),
        "deploy_last_ms": ms(deploys[-DEPLOYS_COMPARED:]),
        "deploys_s": round(sum(deploys), 1),
        **{f"idle_{kind}": f"{before[kind]}, then {idle[kind]}" for kind in idle},
        **measure_requests(alone, addresses[5], addresses, sizes),
        **measure_restarts(daemon, sizes),
    }


def measure_count(count, sizes):
    with contextlib.ExitStack() as stack:
        single = Faasd(*FLAGS)
        stack.callback(single.destroy)
        subnet = Subnet(16)
        stack.callback(subnet.release)
        daemon = Faasd(*FLAGS, subnet=subnet)
        stack.callback(daemon.destroy)
        figures = measure_many(daemon, single.deploy("hello"), count, sizes)
        single.stop()
        return {**figures, "left": single.leftovers() + daemon.leftovers()}


def measure(sizes):
    return {f"{count} functions": measure_count(count, sizes) for count in sizes.functions}


def failed(result):
    return any(figures["left"] for figures in result.values())
