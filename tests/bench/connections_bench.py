"""Very many connections that are served at the same time, each by a container of its own.

All are opened and say nothing, until each has its handler, which waits for its request; then all
ask, and all must be answered. What they take of the machine's memory, and how long it is until all
are served and until nothing is left of them.
"""

import contextlib
import resource
import time

import machine
from faasd_process import HELLO_TAR, PATIENCE_S, Faasd, connect, read_to_end
from request_bench import REQUEST, ask

MIB = 1 << 20
LONG_S = 20 * PATIENCE_S
MOST = 8_192  # of one function: kMaxConcurrency of faasd/function/bounds.h
# A container of a static program and its cgroup; what is left must do for the rest of the machine.
NEEDED_BYTES = MIB
SPARE_BYTES = 2 << 30
# What the daemon needs descriptors for: see faasd/function/bounds.h. With fewer, connections wait.
DESCRIPTORS_OF_EACH, OTHER_DESCRIPTORS = 4, 600


class Sizes:
    def __init__(self, quick):
        self.at_once = (50,) if quick else (1_200, 5_000)


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        rows = dict(line.split(":") for line in file)
    return int(rows["MemAvailable"].split()[0]) * 1024


def counts(daemon):
    """(instances, connections that wait for one)"""
    _, _, function = daemon.api("GET", "/v1/functions/hello")
    return function["live"], function["queued"]


def handlers(daemon):
    below = machine.descendants(daemon.process.pid)
    return sum(machine.program_of(pid) == "hello" for pid in below)


def ask_all(clients):
    """(seconds until the last answer, how many were good)"""
    started = time.monotonic()
    for client in clients:
        client.sendall(REQUEST)
    good = sum(read_to_end(client).startswith(b"HTTP/1.1 200") for client in clients)
    return time.monotonic() - started, good


def measure_count(daemon, address, count):
    before, memory = daemon.idle_footprint(), available_bytes()

    def is_served():
        return counts(daemon) == (count, 0) and handlers(daemon) == count
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        clients = [stack.enter_context(connect(address, timeout_s=LONG_S)) for _ in range(count)]
        daemon.log.wait_until(is_served, lambda: f"served and waiting: {counts(daemon)}", LONG_S)
        served = time.monotonic() - started
        figures = {
            "all_are_served_after_s": round(served, 1),
            "memory_of_each_KiB": round((memory - available_bytes()) / count / 1024),
            "descriptors_of_faasd": len(machine.open_fds(daemon.process.pid)),
            "resident_of_faasd_MiB": round(machine.resident_bytes(daemon.process.pid) / MIB, 1)}
        answered, good = ask_all(clients)
    started = time.monotonic()
    daemon.log.wait_until(lambda: counts(daemon) == (0, 0), "they do not end", LONG_S)
    gone = time.monotonic() - started
    daemon.idle_footprint()
    daemon.wait_for_footprint(before)
    return {**figures, "all_are_answered_after_s": round(answered, 1),
            "nothing_is_left_after_s": round(gone, 1), "failed": count - good}


def measure(sizes):
    daemon, figures = Faasd("--launcher", "native", "--log-level", "warn"), {}
    try:
        address = daemon.deploy("hello", HELLO_TAR, "--concurrency", str(MOST), "--timeout", "1h",
                                "--queue-timeout", "1h")
        ask(address)
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for count in sizes.at_once:
            if descriptors < count * DESCRIPTORS_OF_EACH + OTHER_DESCRIPTORS:
                figures[f"{count} at once"] = {
                    "left_out": f"a process may have {descriptors} descriptors only (ulimit -Hn)"}
            elif available_bytes() < count * NEEDED_BYTES + SPARE_BYTES:
                figures[f"{count} at once"] = {"left_out": "there is too little memory"}
            else:
                figures[f"{count} at once"] = measure_count(daemon, address, count)
        daemon.stop()
        left = daemon.leftovers()
    finally:
        daemon.destroy()
    return {**figures, "left_at_the_end": left}


def failed(result):
    counted = [figures for figures in result.values() if isinstance(figures, dict)]
    return bool(result["left_at_the_end"] or any(figures.get("failed") for figures in counted))
