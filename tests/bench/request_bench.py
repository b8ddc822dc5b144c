"""What a request costs, against the bare runtime doing the same in the same minutes.

- latency: connect to reply with handlers/hello, taking turns with a bare `runc run` of the very
  bundle that faasd makes (its config.json is copied), handed a TCP connection in the same way;
- throughput: 8 clients, taking turns with `runc run` in a loop on every processor;
- endurance: requests in a row and at once; afterwards nothing may be left of them;
- memory: the resident size of a daemon with 100 functions.
"""

import array
import contextlib
import ctypes
import glob
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import machine
from faasd_process import HELLO_TAR, PATH, PATIENCE_S, Faasd, connect, read_to_end

CLIENTS = 8
CLONE_NEWNS, MNT_DETACH = 0x20000, 2
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


# Of instances that stay while others are measured.
LONGER_THAN_THE_BENCH = "2h"


class Sizes:
    def __init__(self, quick):
        self.latency_rounds = 15 if quick else 200
        self.throughput_rounds = 2 if quick else 5
        self.throughput_requests = 40 if quick else 200  # of each side in each round
        self.in_a_row = 50 if quick else 1000
        self.at_once = 40 if quick else 200
        self.functions = 100


def ask(address, port=80):
    """Seconds from before connect to the end of the reply."""
    started = time.perf_counter()
    with connect(address, port, 120) as sock:
        sock.sendall(REQUEST)
        reply = read_to_end(sock)
    taken = time.perf_counter() - started
    if not reply.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"no answer but {reply[:200]!r}")
    return taken


def enter_mounts_of(pid):
    """For a child: only faasd sees its mount of a root filesystem, mapped to the function's ids."""
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def hide_second_cgroups():
    """For a child, after that: crun refuses a host with cgroups v1 that has some of v2 as well."""
    roots = [root for root in machine.cgroup_roots() if root.endswith("/unified")]
    libc = ctypes.CDLL(None, use_errno=True)
    if roots and libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for root in roots:
        if libc.umount2(os.fsencode(root), MNT_DETACH) != 0:
            raise OSError(ctypes.get_errno(), "umount2", root)


class BareRunc:
    """`runc run`, or that of another OCI runtime: one worker's bundle, which is faasd's own
    config.json with our control socket in it."""

    def __init__(self, config, directory, name, faasd, program="runc"):
        self._program = program
        self._daemon = faasd.process.pid
        self.name = f"faasd-bench-{os.getpid()}-{name}"
        self.root = os.path.join(directory, "root")
        self.bundle = os.path.join(directory, name)
        os.mkdir(self.bundle)
        control = os.path.join(self.bundle, "control.sock")
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.bind(control)
        os.chmod(control, 0o666)
        self.control.listen(1)
        self.control.settimeout(PATIENCE_S)
        # What faasd's listener is to its client.
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = json.loads(json.dumps(config))
        for mount in config["mounts"]:
            if mount["destination"] == "/control.sock":
                mount["source"] = control
        config["linux"]["cgroupsPath"] = f"/{self.name}"
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)

    def is_here(self):
        return shutil.which(self._program, path=PATH) is not None

    def _enter(self):
        enter_mounts_of(self._daemon)
        if self._program == "crun":
            hide_second_cgroups()

    def ask(self):
        """(seconds to the end of the reply, seconds to the exit of `runc run`)."""
        started = time.perf_counter()
        with connect(*self.listener.getsockname(), 120) as client:
            process = subprocess.Popen(
                [self._program, "--root", self.root, "run", "--bundle", self.bundle, self.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={"PATH": PATH}, preexec_fn=self._enter)
            accepted, _ = self.listener.accept()
            with accepted:
                self._hand_over(accepted, process)
            client.sendall(REQUEST)
            reply = read_to_end(client)
            replied = time.perf_counter() - started
        error = process.communicate()[1]
        exited = time.perf_counter() - started
        if process.returncode != 0 or not reply.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(
                f"{self._program} run: {process.returncode} {error!r} {reply[:200]!r}")
        return replied, exited

    def _hand_over(self, accepted, process):
        try:
            handler, _ = self.control.accept()
        except TimeoutError:
            process.kill()
            raise RuntimeError(f"{self._program} run: {process.communicate()[1]!r}") from None
        with handler:
            handler.sendmsg([b"SOCKET"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                           array.array("i", [accepted.fileno()]))])

    def close(self):
        self.control.close()
        self.listener.close()


@contextlib.contextmanager
def lasting_configs(faasd, address, count):
    """The config.json of instances that live meanwhile: hello waits for its client's request. They
    must, for faasd answers the system calls that a filter asks about only for those it knows."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(address)) for _ in range(count)]
        # Not any process below faasd: the one that makes a view of the root filesystem comes first.
        pattern = os.path.join(faasd.run_dir, "**", "pid")
        faasd.log.wait_until(lambda: len(glob.glob(pattern, recursive=True)) == count,
                             "no container started")
        configs = []
        for path in glob.glob(pattern, recursive=True):
            with open(os.path.join(os.path.dirname(path), "config.json"), encoding="utf-8") as file:
                configs.append(json.load(file))
        yield configs
        for sock in held:
            sock.sendall(REQUEST)
            read_to_end(sock)


@contextlib.contextmanager
def bare_workers(faasd, address, *programs):
    """One that starts each of these OCI runtimes."""
    with lasting_configs(faasd, address, len(programs)) as configs:
        directory = tempfile.mkdtemp(prefix="b-")
        workers = [BareRunc(config, directory, f"w{number}", faasd, programs[number])
                   for number, config in enumerate(configs)]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.close()
            shutil.rmtree(directory)


def in_threads(count, work):
    """Runs work(number) in `count` threads; the first failure is raised."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started


def ms(seconds):
    return round(statistics.median(seconds) * 1000, 2)


def p99_ms(seconds):
    return round(sorted(seconds)[min(len(seconds) - 1, len(seconds) * 99 // 100)] * 1000, 2)


def measure_latency(address, worker, sizes):
    ours, replied, exited = [], [], []
    for turn in range(sizes.latency_rounds + 3):
        mine = ask(address)
        to_reply, to_exit = worker.ask()
        if turn >= 3:  # the first ones fill caches
            ours.append(mine)
            replied.append(to_reply)
            exited.append(to_exit)
    return {
        "rounds": sizes.latency_rounds,
        "faasd_connect_to_reply_ms": ms(ours),
        "faasd_connect_to_reply_p99_ms": p99_ms(ours),
        "runc_run_to_reply_ms": ms(replied),
        "runc_run_to_exit_ms": ms(exited),
        "ratio_to_runc_run": round(ms(ours) / ms(exited), 3),
        "ratio_to_runc_reply": round(ms(ours) / ms(replied), 3),
    }


def measure_throughput(address, workers, sizes):
    ours, bare = [], []
    count = sizes.throughput_requests

    def client(_):
        for _ in range(count // CLIENTS):
            ask(address)

    def loop(number):
        for _ in range(count // len(workers)):
            workers[number].ask()
    for _ in range(sizes.throughput_rounds):
        ours.append(count // CLIENTS * CLIENTS / in_threads(CLIENTS, client))
        bare.append(count // len(workers) * len(workers) / in_threads(len(workers), loop))
    return {
        "clients": CLIENTS, "runc_loops": len(workers), "rounds": sizes.throughput_rounds,
        "faasd_per_second": round(statistics.median(ours), 1),
        "runc_run_per_second": round(statistics.median(bare), 1),
        "ratio": round(statistics.median(ours) / statistics.median(bare), 3),
    }


def measure_endurance(faasd, address, sizes):
    before = faasd.idle_footprint()
    failures = []

    def one(_):
        try:
            ask(address)
        except (OSError, RuntimeError) as error:
            failures.append(str(error))
    for number in range(sizes.in_a_row):
        one(number)
    in_a_row = len(failures)
    in_threads(sizes.at_once, one)
    try:
        faasd.wait_for_footprint(before)
        left = None
    except AssertionError as error:
        left = str(error)
    return {"in_a_row": sizes.in_a_row, "failed_in_a_row": in_a_row, "at_once": sizes.at_once,
            "failed_at_once": len(failures) - in_a_row, "left": left, "failures": failures[:5]}


def measure_memory(sizes):
    faasd = Faasd()
    try:
        for number in range(sizes.functions):
            faasd.deploy(f"f{number}")
        resident = machine.resident_bytes(faasd.process.pid)
        faasd.stop()
    finally:
        faasd.destroy()
    return {"functions": sizes.functions, "resident_mib": round(resident / (1 << 20), 1)}


def measure(sizes):
    result = {}
    faasd = Faasd()
    try:
        address = faasd.deploy("hello", HELLO_TAR, "--timeout", LONGER_THAN_THE_BENCH)
        with bare_workers(faasd, address, *["runc"] * (os.cpu_count() or 1)) as workers:
            result["latency"] = measure_latency(address, workers[0], sizes)
            result["throughput"] = measure_throughput(address, workers, sizes)
        result["endurance"] = measure_endurance(faasd, address, sizes)
        status = faasd.stop()
        result["left_at_the_end"] = faasd.leftovers()
        result["exit_status"] = status
    finally:
        faasd.destroy()
    result["memory"] = measure_memory(sizes)
    return result


def failed(result):
    endurance = result["endurance"]
    return bool(endurance["failed_in_a_row"] or endurance["failed_at_once"] or endurance["left"]
                or result["left_at_the_end"] or result["exit_status"] != 0)
