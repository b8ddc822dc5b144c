"""What hostile functions do to others, and what they leave.

- neighbours: the latency of hello, in turns alone and beside four functions that fork, allocate,
  compute and fill their /tmp without end; and how long after its deadline such a one is gone;
- hostile: many requests by some clients, a tenth of them to handlers that break the rules in every
  way there is; afterwards nothing may be left of them.
"""

import threading
import time

import images
import residue
from faasd_process import Faasd, connect
from request_bench import CLIENTS, REQUEST, ask, in_threads, ms, p99_ms

BOMBS = {"forks": ("keep", "forking"), "memory": ("keep", "allocating"), "cpu": ("spin", "4"),
         "disk": ("keep", "filling")}

# What a tenth of the invocations is, in turns.
HOSTILE = (
    ("fork-bomb",), ("alloc", "512"), ("fill-tmp", "512"), ("flood-stdout", "4"),
    ("send-fds", "16"), ("garbage", "64"), ("fork-and-linger",), ("killself", "11"),
    ("exit-at-once", "1"), ("exit-after-receive", "1"), ("never-connect",), ("never-exit",),
    ("connect-twice",), ("answer-then-hang",), ("partial-then-hang",), ("hoard", "descriptors"),
    ("hoard", "files"), ("hoard", "pipes"), ("hoard", "sockets"), ("rewrite",),
)
HOSTILE_OPTIONS = ("--timeout", "2s", "--memory", "64M")


class Sizes:
    def __init__(self, quick):
        self.phases = 1 if quick else 3  # of each kind
        self.phase_s = 4 if quick else 10
        self.warm_up = 20 if quick else 500
        self.invocations = 200 if quick else 10_000


def provoke(address):
    """One request to a handler of which no answer is expected."""
    try:
        with connect(address, timeout_s=120) as sock:
            sock.sendall(REQUEST)
            while sock.recv(1 << 16):
                pass
    except ConnectionError:
        pass


def _ask_until(ended, address):
    """(seconds of each request, what failed)"""
    taken, failed = [], []
    while not ended():
        try:
            taken.append(ask(address))
        except (OSError, RuntimeError) as error:
            failed.append(str(error))
    return taken, failed


def _quiet(address, phase_s):
    end = time.monotonic() + phase_s
    return _ask_until(lambda: time.monotonic() > end, address)


def _beside(bombs, address):
    """Until the time of every bomb is over."""
    threads = [threading.Thread(target=provoke, args=(bomb,)) for bomb in bombs]
    for thread in threads:
        thread.start()
    try:
        return _ask_until(lambda: not any(thread.is_alive() for thread in threads), address)
    finally:
        for thread in threads:
            thread.join()


def measure_neighbours(faasd, sizes):
    address = faasd.deploy("hello")
    bombs = [faasd.deploy(name, images.misbehave(*words), "--timeout", f"{sizes.phase_s}s")
             for name, words in BOMBS.items()]
    _quiet(address, 1)  # the first ones fill caches
    alone, beside, failures = [], [], []
    for _ in range(sizes.phases):
        for times, (taken, failed) in ((alone, _quiet(address, sizes.phase_s)),
                                       (beside, _beside(bombs, address))):
            times += taken
            failures += failed
            faasd.idle_footprint()
    return {
        "bombs": list(BOMBS), "bombs_s": sizes.phases * sizes.phase_s,
        "requests_alone": len(alone), "requests_beside": len(beside),
        "alone_ms": ms(alone), "beside_ms": ms(beside), "ratio": round(ms(beside) / ms(alone), 2),
        "alone_p99_ms": p99_ms(alone), "beside_p99_ms": p99_ms(beside),
        "p99_ratio": round(p99_ms(beside) / p99_ms(alone), 2),
        "gone_after_deadline_ms": max(
            round(receipt["launch_ms"] + receipt["run_ms"] - sizes.phase_s * 1000)
            for receipt in faasd.log.find("receipt", outcome="timeout")),
        "failed": len(failures), "failures": failures[:5],
    }


def measure_hostile(faasd, sizes):
    good = faasd.deploy("good")
    bad = [faasd.deploy(f"hostile{number}", images.misbehave(*words), *HOSTILE_OPTIONS)
           for number, words in enumerate(HOSTILE)]
    bad.append(faasd.deploy("probe", images.probe(), *HOSTILE_OPTIONS))
    bad.append(faasd.deploy("thief", images.socket_thief(faasd.listen.rpartition(":")[2]),
                            *HOSTILE_OPTIONS))
    failures = []

    def one(number):
        if number % 10 == 9:
            return provoke(bad[number // 10 % len(bad)])
        try:
            ask(good)
        except (OSError, RuntimeError) as error:
            failures.append(str(error))

    def some(count):
        in_threads(CLIENTS, lambda client: [one(n) for n in range(client, count, CLIENTS)])
    some(max(sizes.warm_up, 10 * len(bad)))  # each of them once, too
    faasd.idle_footprint()
    before = residue.held(faasd)
    started = time.monotonic()
    some(sizes.invocations)
    taken = time.monotonic() - started
    faasd.idle_footprint()
    residue.wait_until_given_back(faasd, before)
    after = residue.held(faasd)
    figures = {"invocations": sizes.invocations, "hostile": sizes.invocations // 10,
               "kinds": len(bad), "clients": CLIENTS,
               "per_second": round(sizes.invocations / taken)}
    figures.update(residue.told(before, after))
    return {**figures, "failed": len(failures), "failures": failures[:5],
            "left": residue.left(before, after, dying=len(bad) + 1)}


def measure(sizes):
    result = {}
    faasd = Faasd()
    try:
        result["neighbours"] = measure_neighbours(faasd, sizes)
        result["hostile"] = measure_hostile(faasd, sizes)
        result["exit_status"] = faasd.stop()
        result["left_at_the_end"] = faasd.leftovers()
    finally:
        faasd.destroy()
    return result


def failed(result):
    return bool(result["neighbours"]["failed"] or result["hostile"]["failed"]
                or result["hostile"]["left"] or result["left_at_the_end"] or result["exit_status"])
