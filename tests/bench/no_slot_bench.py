"""What connections get of the native launcher that find no slot ready.

- at once: more connections than there are slots, at one moment. Of interest are those that come too
  late for one; of the others' figures the same number of the quickest is left out;
- first: the first connection after a start of the daemon, when there are none at all.

launcher_bench.py has it a third way: one after the other, of a function that no slot can serve.
"""

from faasd_process import Faasd
from launcher_bench import NOT_HERE, OTHERS, SLOTS, others_ports
from open_loop import ask_at
from request_bench import ask, ms, p99_ms

AT_ONCE = SLOTS + 16
# Where each is asked, but for ours.
COMPARED = [name for name in OTHERS if name != "always on"]


class Sizes:
    def __init__(self, quick):
        self.bursts = 2 if quick else 30
        self.starts = 1 if quick else 10


def wait_for_slots(daemon):
    """Until they are all there, and nothing else is: the launcher's own process is one more."""
    daemon.idle_footprint()
    daemon.log.wait_until(lambda: len(daemon.launcher_processes()) == SLOTS + 1, "no slots")


def measure_at_once(daemon, sizes):
    failures = []
    late = {name: [] for name in ("faasd native", *COMPARED)}
    with others_ports() as ports:
        where = {name: ("127.0.0.1", ports[name]) for name in COMPARED if name in ports}
        where["faasd native"] = (daemon.ip("hello"), 80)
        for turn in range(sizes.bursts + 1):
            for name, (address, port) in where.items():
                wait_for_slots(daemon)
                answered, failed = ask_at(address, port, [0.0] * AT_ONCE)
                failures += failed
                if turn >= 1:  # the first ones fill caches
                    late[name] += [seconds for _, seconds in answered[SLOTS:]]
    rows = {name: {"p50_ms": ms(seconds), "p99_ms": p99_ms(seconds)} if seconds else NOT_HERE
            for name, seconds in late.items()}
    for name in where:
        if name != "faasd native":
            rows[f"ratio_to_{name.replace(' ', '_')}"] = round(
                rows["faasd native"]["p50_ms"] / rows[name]["p50_ms"], 2)
    return {"connections": AT_ONCE, "slots": SLOTS, "bursts": sizes.bursts, **rows,
            "failures": failures[:5]}


def measure_first(daemon, sizes):
    """Its successors are ended, and it is not there any more."""
    address, taken = daemon.ip("hello"), []
    for _ in range(sizes.starts):
        daemon.stop()
        next_one = daemon.successor("--launcher", "native")
        try:
            taken.append(ask(address))
        finally:
            next_one.stop()
            next_one.destroy()
    return {"starts": sizes.starts, "p50_ms": ms(taken)}


def measure(sizes):
    daemon = Faasd("--launcher", "native")
    try:
        ask(daemon.deploy("hello"))
        at_once = measure_at_once(daemon, sizes)
        first = measure_first(daemon, sizes)
        left = daemon.leftovers()
    finally:
        daemon.destroy()
    return {"at once": at_once, "first": first, "left_at_the_end": left}


def failed(result):
    return bool(result["at once"]["failures"] or result["left_at_the_end"])
