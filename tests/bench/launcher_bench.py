"""What a fresh container costs a connection, by each way to make one, in the same minutes.

The others: a server that is always there, fork and exec without any isolation, and bwrap for each
connection, all three by peer.c; nsjail's own server; the bare `runc run` of request_bench.py, and
`crun run` of the same. What is not installed is not here. Ours: each launcher, cold and with parked
instances. All take turns, connection by connection.

- latency: connect to the end of the reply, one connection right after the other, 20 ms and 100 ms
  apart;
- throughput: 8 clients, in turns of some seconds;
- cost: processor time of a request, and what a parked instance takes of memory.
"""

import contextlib
import functools
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import images
import machine
from faasd_process import HELLO_TAR, Faasd, binary
from request_bench import (CLIENTS, LONGER_THAN_THE_BENCH, ask, bare_workers, in_threads, ms,
                           p99_ms)

PAUSES_MS = (0, 20, 100)
PARKED = 8
SLOTS = 24  # that are kept ready: kFreeSlots of oci/runtime/native/native_launcher.cpp
# No slot has such an id: see ours().
HIGH_USER = "70000"
NO_SLOT = "faasd native, no slot"
OTHERS = ("always on", "fork and exec", "bwrap", "nsjail")
NOT_HERE = "not here"


class Sizes:
    def __init__(self, quick):
        self.rounds = {0: 8, 20: 4, 100: 3} if quick else {0: 200, 20: 100, 100: 50}
        self.throughput_rounds = 1 if quick else 5
        self.throughput_s = 0.5 if quick else 3
        self.parked = 4 if quick else 32


@contextlib.contextmanager
def peer(*command):
    """The port where one listens."""
    with socket.create_server(("127.0.0.1", 0)) as claim:
        port = claim.getsockname()[1]
    process = subprocess.Popen([binary("peer"), str(port), *command], stdout=subprocess.PIPE)
    try:
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the peer does not start")
        yield port
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def nsjail(jail):
    """Its listen mode: a jail for each connection, of which a descriptor is 0 there."""
    with socket.create_server(("127.0.0.1", 0)) as claim:
        port = claim.getsockname()[1]
    process = subprocess.Popen(["nsjail", "-Ml", "--bindhost", "127.0.0.1", "--port", str(port),
                                "--really_quiet", "--chroot", jail, "--", "/peer", "answer"])
    try:
        while process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError):
                ask("127.0.0.1", port)
                break
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def others_ports():
    """{name: the port of 127.0.0.1 where it is} of those that are not faasd, and that are here."""
    with contextlib.ExitStack() as stack:
        jail = stack.enter_context(tempfile.TemporaryDirectory(prefix="b-"))
        shutil.copy(binary("peer"), os.path.join(jail, "peer"))
        for name in ("proc", "dev", "tmp"):
            os.mkdir(os.path.join(jail, name))
        ports = {"always on": stack.enter_context(peer()),
                 "fork and exec": stack.enter_context(peer(binary("peer"), "answer"))}
        if shutil.which("bwrap"):
            ports["bwrap"] = stack.enter_context(peer(
                "bwrap", "--ro-bind", jail, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs",
                "/tmp", "--unshare-all", "--die-with-parent", "/peer", "answer"))
        if shutil.which("nsjail"):
            ports["nsjail"] = stack.enter_context(nsjail(jail))
        yield ports


def ours():
    """{name: (archive, launcher, more options)}. A slot has 65,536 ids: for an image whose user has
    a higher number none that is ready serves, and each of its containers is made from nothing; of
    its user namespace, too, which is there for others."""
    return {
        "faasd runc": (HELLO_TAR, "runc"),
        "faasd native": (HELLO_TAR, "native"),
        NO_SLOT: (images.hello(User=HIGH_USER), "native"),
        "faasd runc, warm": (HELLO_TAR, "runc", "--warm", str(PARKED)),
        "faasd native, warm": (HELLO_TAR, "native", "--warm", str(PARKED)),
    }


@contextlib.contextmanager
def ways(daemon):
    """{name: how to ask it once}; None for what is not here."""
    with contextlib.ExitStack() as stack:
        keeper = daemon.deploy("keeper", HELLO_TAR, "--timeout", LONGER_THAN_THE_BENCH)
        runc, crun = stack.enter_context(bare_workers(daemon, keeper, "runc", "crun"))
        ports = stack.enter_context(others_ports())
        found = {name: functools.partial(ask, "127.0.0.1", ports[name]) if name in ports else None
                 for name in OTHERS}
        for name, (archive, *options) in ours().items():
            address = daemon.deploy(name.translate(str.maketrans(" ", "-", ",")), archive,
                                    "--queue-timeout", "120s", "--launcher", *options)
            found[name] = functools.partial(ask, address)
            if name == NO_SLOT:  # before there is a pool, which takes some
                check_takes_no_slot(daemon, found[name])
        found["runc run"] = lambda: runc.ask()[1]
        found["crun run"] = (lambda: crun.ask()[1]) if crun.is_here() else None
        yield found


def check_takes_no_slot(daemon, one):
    """That it is what it is called."""
    one()
    daemon.log.wait_until(lambda: len(daemon.launcher_processes()) == SLOTS + 1, "no slots")
    before = set(daemon.launcher_processes())
    one()
    if not before <= set(daemon.launcher_processes()):
        raise RuntimeError("a slot was ready for it")


def measure_latency(found, sizes, pause_ms):
    taken = {name: [] for name, one in found.items() if one}
    for turn in range(sizes.rounds[pause_ms] + 3):
        for name in taken:
            time.sleep(pause_ms / 1000)
            seconds = found[name]()
            if turn >= 3:  # the first ones fill caches
                taken[name].append(seconds)
    return {name: {"p50_ms": ms(taken[name]), "p99_ms": p99_ms(taken[name])}
            if name in taken else NOT_HERE for name in found}


def processor_s():
    """What the whole machine has worked so far."""
    with open("/proc/stat", encoding="ascii") as file:
        words = file.readline().split()
    user, nice, system, _, _, irq, softirq = map(int, words[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def measure_throughput(found, sizes):
    one_bundle = ("runc run", "crun run")
    rates = {name: [] for name, one in found.items() if one and name not in one_bundle}
    work = {name: [] for name in rates}
    for _ in range(sizes.throughput_rounds):
        for name, rate in rates.items():
            count, end = [0] * CLIENTS, time.monotonic() + sizes.throughput_s

            def client(number, one=found[name], count=count, end=end):
                while time.monotonic() < end:
                    one()
                    count[number] += 1
            before = processor_s()
            seconds = in_threads(CLIENTS, client)
            rate.append(sum(count) / seconds)
            work[name].append((processor_s() - before) / sum(count))
    return {name: {"per_second": round(statistics.median(rates[name]), 1),
                   "processor_ms": ms(work[name])} for name in rates}


def measure_parked(daemon, sizes):
    """Bytes of each parked instance of the native launcher, by its cgroup and by its process."""
    daemon.deploy("parked", HELLO_TAR, "--launcher", "native", "--warm", str(sizes.parked))
    daemon.log.wait_until(lambda: daemon.describe("parked")["parked"] == sizes.parked,
                          "they are not parked")
    charged = [machine.memory_used(pid) for pid in daemon.containers()
               if machine.program_of(pid) == "hello"]
    return {"instances": sizes.parked, "cgroup_KiB": round(statistics.median(charged) / 1024, 1)}


def ratios(latency, throughput):
    """The figures that are goals."""
    hot, apart = latency["0 ms apart"], latency["20 ms apart"]

    def of(row, one, other):
        return (None if NOT_HERE in (row[one], row[other])
                else round(row[one]["p50_ms"] / row[other]["p50_ms"], 3))
    return {
        "native_against_runc_run": of(apart, "faasd native", "runc run"),
        "native_against_fork_and_exec_hot": of(hot, "faasd native", "fork and exec"),
        "native_against_fork_and_exec_20_ms": of(apart, "faasd native", "fork and exec"),
        "native_against_fork_and_exec_100_ms": of(latency["100 ms apart"], "faasd native",
                                                  "fork and exec"),
        "native_no_slot_against_fork_and_exec_hot": of(hot, NO_SLOT, "fork and exec"),
        "native_no_slot_against_bwrap_hot": of(hot, NO_SLOT, "bwrap"),
        "native_against_bwrap": of(apart, "faasd native", "bwrap"),
        "native_against_nsjail": of(apart, "faasd native", "nsjail"),
        "warm_against_always_on": of(apart, "faasd native, warm", "always on"),
        "native_a_second_against_runc": round(throughput["faasd native"]["per_second"] /
                                              throughput["faasd runc"]["per_second"], 1),
    }


def measure(sizes):
    daemon = Faasd()
    try:
        with ways(daemon) as found:
            latency = {f"{pause} ms apart": measure_latency(found, sizes, pause)
                       for pause in PAUSES_MS}
            throughput = measure_throughput(found, sizes)
        parked = measure_parked(daemon, sizes)
        daemon.stop()
        left = daemon.leftovers()
    finally:
        daemon.destroy()
    return {"latency": latency, "throughput": throughput, "parked": parked,
            "ratios": ratios(latency, throughput), "left_at_the_end": left}
