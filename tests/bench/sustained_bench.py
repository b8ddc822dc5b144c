"""The native launcher for longer than a moment.

- sustained: what eight clients get at most, then half of that for a minute, from clients that do
  not wait for each other (arrivals by chance, the same ones in each run). The time of a request
  begins when it is due. Beside it, in its own minute, fork and exec without any isolation at the
  same rate: what of the spread is the machine's.
- residue: many requests, and what is left of them.
"""

import statistics
import time

import residue
from faasd_process import HELLO_TAR, Faasd
from launcher_bench import others_ports
from open_loop import arrivals, ask_at
from request_bench import CLIENTS, ask, in_threads, ms, p99_ms

# An image may leave one that is dying (see residue.py); beyond that, one in a thousand requests is
# less than what the rest of a machine does meanwhile.
DYING = 8


class Sizes:
    def __init__(self, quick):
        self.peak_s = 1 if quick else 10
        self.sustained_s = 4 if quick else 60
        self.warm_up = 50 if quick else 1_000
        self.requests = 1_000 if quick else 100_000


def peak_rate(address, seconds):
    count, end = [0] * CLIENTS, time.monotonic() + seconds

    def client(number):
        while time.monotonic() < end:
            ask(address)
            count[number] += 1
    taken = in_threads(CLIENTS, client)
    return sum(count) / taken


def by_second(answered):
    """[[second, p50, p99]] of those that were due in it, in ms."""
    seconds = {}
    for due, taken in answered:
        seconds.setdefault(int(due), []).append(taken)
    return [[second, ms(taken), p99_ms(taken)] for second, taken in sorted(seconds.items())]


def figures_of(answered, failed):
    taken = [seconds for _, seconds in answered]
    p50 = statistics.median(taken)
    return {"p50_ms": ms(taken), "p99_ms": p99_ms(taken), "most_ms": round(max(taken) * 1000, 2),
            "p99_to_p50": round(p99_ms(taken) / 1000 / p50, 2), "requests": len(taken),
            "failed": len(failed), "failures": failed[:5]}


def measure_sustained(daemon, address, sizes):
    peak = peak_rate(address, sizes.peak_s)
    daemon.idle_footprint()
    due = arrivals(peak / 2, sizes.sustained_s)
    figures, series = {"peak_per_second": round(peak, 1), "per_second": round(peak / 2, 1),
                       "seconds": sizes.sustained_s}, {}
    with others_ports() as ports:
        for name, where in {"faasd native": (address, 80),
                            "fork and exec": ("127.0.0.1", ports["fork and exec"])}.items():
            answered, failed = ask_at(*where, due)
            figures[name] = figures_of(answered, failed)
            series[name] = by_second(answered)
    return figures, series


def measure_residue(daemon, address, sizes):
    failures = []

    def some(count):
        def client(number):
            for _ in range(number, count, CLIENTS):
                try:
                    ask(address)
                except (OSError, RuntimeError) as error:
                    failures.append(str(error))
        return in_threads(CLIENTS, client)
    some(sizes.warm_up)
    daemon.idle_footprint()
    before = residue.held(daemon)
    taken = some(sizes.requests)
    daemon.idle_footprint()
    residue.wait_until_given_back(daemon, before)
    after = residue.held(daemon)
    return {"requests": sizes.requests, "per_second": round(sizes.requests / taken, 1),
            **residue.told(before, after), "failed": len(failures), "failures": failures[:5],
            "left": residue.left(before, after, dying=DYING + sizes.requests // 1_000)}


def measure(sizes):
    # A line for each request would be read here, by this very program.
    daemon = Faasd("--launcher", "native", "--log-level", "warn")
    try:
        address = daemon.deploy("hello", HELLO_TAR, "--queue-timeout", "120s")
        sustained, series = measure_sustained(daemon, address, sizes)
        left_behind = measure_residue(daemon, address, sizes)
        status = daemon.stop()
        left = daemon.leftovers()
    finally:
        daemon.destroy()
    return {"sustained": sustained, "by second": series, "residue": left_behind,
            "exit_status": status, "left_at_the_end": left}


def failed(result):
    residue_of, native = result["residue"], result["sustained"]["faasd native"]
    return bool(native["failed"] or residue_of["failed"] or residue_of["left"]
                or result["exit_status"] or result["left_at_the_end"])
