"""A real faasd in a directory of its own, and the tests' view of it.

Every daemon gets its own state and run directory, subnet and control port, so that tests run beside
each other and beside an installed faasd. Waiting is always for something: a log line, an exit, the
end of a stream.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import machine
from faasd_client import (  # some of them for the tests, which import all from here
    BIN, HELLO_TAR, PATH, PATIENCE_S, ROOT, Client, UnixConnection, at_this_pace, binary)

# Between two looks at what has no event of its own (/proc, cgroups), if no log line comes before.
LOOK_AGAIN_S = 0.05
# What may be said of every daemon from outside.
# Whoever runs the tests may have all daemons make containers another way.
LAUNCHER = os.environ.get("FAASD_LAUNCHER", "runc")
PASSED_ON = ("FAASD_CGROUP_DRIVER", "FAASD_LAUNCHER")

machine.become_subreaper()


# A root filesystem at /mnt: the tree $1, and what it shares with others, each a directory and where
# it goes.
MOUNT_VIEW = """
set -e
mount --bind "$1" /mnt; shift
while [ $# -gt 0 ]; do mount --bind "$1" "/mnt/$2"; shift 2; done
echo mounted; exec cat
"""


class Subnet:
    """127.N.0.0/24, or a /16 for more functions, ours for as long as this process lives.

    The claim is a Unix socket with an abstract name: the kernel lets one process have it and drops
    it with the process.
    """

    def __init__(self, bits=24):
        in_use = {address for address, _ in machine.ipv4_addresses()}
        for step in range(173):
            octet = 78 + (os.getpid() + step) % 173
            if any(address.startswith(f"127.{octet}.") for address in in_use):
                continue
            self._claim = socket.socket(socket.AF_UNIX)
            try:
                self._claim.bind(f"\0faasd-test-subnet-{octet}")
            except OSError:
                self._claim.close()
                continue
            self.prefix = f"127.{octet}." + ("" if bits == 16 else "0.")
            self.cidr = f"127.{octet}.0.0/{bits}"
            return
        raise RuntimeError("no free 127.N.0.0/24 for a test")

    def release(self):
        self._claim.close()


class Reply:
    """What came back on one connection, to its end."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
        self.headers = {name.strip().lower(): value.strip() for name, _, value in
                        (line.partition(":") for line in lines[1:])}

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Reply({self.raw[:400]!r})"


def read_to_end(sock):
    chunks = []
    while chunk := sock.recv(1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def connect(address, port=80, timeout_s=PATIENCE_S):
    sock = socket.create_connection((address, port), timeout_s)
    sock.settimeout(timeout_s)
    return sock


def curl(address, path="/", port=80, timeout_s=PATIENCE_S):
    """One request on a connection of its own, read to the end."""
    with connect(address, port, timeout_s) as sock:
        head = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode())
        return Reply(read_to_end(sock))


@contextlib.contextmanager
def steady_clients(address):
    """Two clients that ask on and on; afterwards, no connection may have been refused."""
    stop, bad, good = threading.Event(), [], []

    def load():
        while not stop.is_set():
            try:
                reply = curl(address)
                (good if reply.status == 200 else bad).append(reply)
            except OSError as error:
                bad.append(error)
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if bad or not good:
        raise AssertionError(f"{len(good)} good answers; bad: {bad[:3]}")


class LogLines:
    """The daemon's output, read by a thread as it comes; a line that is no JSON stays as it is."""

    def __init__(self, stream):
        self._stream = stream
        self._changed = threading.Condition()
        self.raw = []
        self.events = []
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._stream:
            text = line.decode(errors="replace").rstrip("\n")
            try:
                event = json.loads(text)
            except ValueError:
                event = {}
            with self._changed:
                self.raw.append(text)
                self.events.append(event if isinstance(event, dict) else {})
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def find(self, event, **fields):
        wanted = {"event": event, **fields}
        return [line for line in list(self.events) if wanted.items() <= line.items()]

    def wait_for(self, event, timeout_s=PATIENCE_S, **fields):
        """The first line of that event with those fields, already there or yet to come."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (found := self.find(event, **fields)):
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    raise AssertionError(f"no {event} {fields} in the log"
                                         f"{' (it ended)' if self.ended else ''}:\n{self.tail()}")
                self._changed.wait(left)
        return found[0]

    def wait_until(self, check, what, timeout_s=PATIENCE_S):
        """Waits for `check()`, looked at after each log line and now and then; what it returned."""
        deadline = time.monotonic() + timeout_s
        while not (found := check()):
            if time.monotonic() > deadline:
                reason = what() if callable(what) else what
                raise AssertionError(f"{reason}: not within {timeout_s} s\n{self.tail()}")
            with self._changed:
                self._changed.wait(LOOK_AGAIN_S)
        return found

    def join(self):
        self._thread.join(PATIENCE_S)

    def tail(self, count=60):
        return "\n".join(self.raw[-count:])


class Faasd(Client):
    """One daemon. `flags` go to it as they are; `directory` continues where another one stopped."""

    def __init__(self, *flags, directory=None, subnet=None, env=None, prefix=(), listen=True,
                 wait=True):
        self._owns_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="d-")
        self._owns_subnet = subnet is None
        self.subnet = subnet or Subnet()
        self.state_dir = os.path.join(self.directory, "state")
        self.run_dir = os.path.join(self.directory, "run")
        self.socket = os.path.join(self.directory, "run", "faasd.sock")
        self._processes_before = set(machine.descendants(os.getpid()))
        # What the test expects of its end: 0, unless the test itself makes it end otherwise.
        self.expected_status = 0
        self.listen = None
        self._viewers = []
        arguments = [*prefix, binary("faasd"), "--state-dir", self.state_dir,
                     "--run-dir", self.run_dir, "--socket", self.socket, "--log-format", "json",
                     *flags]
        if "--subnet" not in flags:
            arguments += ["--subnet", self.subnet.cidr]
        if "--listen" not in flags and listen is not None:  # None: nothing is said of it
            arguments += ["--listen", "127.0.0.1:0" if listen else ""]
        self.arguments = arguments
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"PATH": PATH, "LANG": "C.UTF-8",
                 **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
                 **(env or {})}, cwd="/")
        self.log = LogLines(self.process.stdout)
        if wait:
            self.wait_ready()

    # --- its life

    def wait_ready(self):
        ready = self.log.wait_for("ready")
        self.listen = ready.get("listen") or None
        return ready

    def wait_exit(self):
        status = self.process.wait(PATIENCE_S)
        self.log.join()
        return status

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM and the exit status."""
        self._end_viewers()
        if self.process.poll() is None:
            self.terminate()
        return self.wait_exit()

    def kill9(self):
        """Dies without a chance to clean up; its containers live on."""
        self.expected_status = -signal.SIGKILL
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def successor(self, *flags, **options):
        """Another daemon on the same directories and subnet."""
        return Faasd(*flags, directory=self.directory, subnet=self.subnet, **options)

    def destroy(self):
        """Ends it if need be, and removes the directory that it worked in."""
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        if self._owns_directory:
            shutil.rmtree(self.directory)
        if self._owns_subnet:
            self.subnet.release()

    # --- what it holds

    def rootfs(self, name):
        """The root filesystem of a function, whole, its owners as they are on the disk. It is
        mounted in the namespace of a process that ends before the daemon does."""
        described = self.describe(name)
        record = os.path.join(self.state_dir, "images", described["image"].partition(":")[2],
                              "image.json")
        with open(record, encoding="utf-8") as file:
            grafts = json.load(file)["grafts"]
        tree = described["rootfs"]
        shared = [word for graft in grafts for word in (
            os.path.join(os.path.dirname(tree), graft["tree"], graft["path"]), graft["path"])]
        viewer = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT_VIEW, "sh",
             tree, *shared], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._viewers.append(viewer)
        if viewer.stdout.readline() != b"mounted\n":
            raise AssertionError(f"cannot mount {tree} with {grafts}")
        return f"/proc/{viewer.pid}/root/mnt"

    def _end_viewers(self):
        for viewer in self._viewers:
            viewer.communicate()
        self._viewers.clear()

    def launcher_processes(self):
        """The native launcher's own, the free slots among them: containers of no function yet."""
        return [pid for pid in machine.descendants(self.process.pid)
                if machine.program_of(pid) == "faasd-launcher"]

    def containers(self):
        """Processes below the daemon, but for what the native launcher keeps ready."""
        ready = set(self.launcher_processes())
        return [pid for pid in machine.descendants(self.process.pid) if pid not in ready]

    @property
    def cgroup(self):
        """The name of the daemon's subtree in every hierarchy; request_test.py checks it."""
        value = 0xcbf29ce484222325
        for byte in self.run_dir.encode():
            value = (value ^ byte) * 0x100000001b3 % (1 << 64)
        return "faasd-" + f"{value:016x}"[:-9:-1]

    @property
    def cgroup_names(self):
        """What its subtree is called: a plain cgroup's name, a slice's where systemd makes it."""
        return {self.cgroup, self.cgroup.replace("-", "_") + ".slice"}

    def cgroups(self):
        return sorted(path for path in machine.cgroup_directories()
                      if self.cgroup_names & set(path.split("/")))

    def footprint(self):
        """All that one request must give back; what stays for longer is not in it: the parent of
        all cgroups, the directories directly below the run directory, the views of functions, what
        the native launcher keeps ready, which is three descriptors each, and cgroups that it keeps
        for others."""
        ready = self.launcher_processes()
        free = self._free_ids()
        return {
            "processes": len(self.containers()),
            "fds": len(machine.open_fds(self.process.pid)) - 3 * len(ready),
            "mounts": len([path for path in machine.mount_points(self.process.pid)
                           if not path.startswith("/dev/shm/")]),
            "cgroups": [path for path in self.cgroups()
                        if os.path.basename(path) not in self.cgroup_names | free
                        and not os.path.basename(path).startswith("spare-")],
            "run directory": [name for name in machine.tree(self.run_dir)
                              if "/" in name and not free & set(name.split("/"))],
        }

    def _free_ids(self):
        """Of the containers to come."""
        return {name for pid in self.launcher_processes()
                for name in machine.cgroup_names_of(pid)}

    def _bundles(self):
        free = self._free_ids()
        return [name for name in machine.tree(os.path.join(self.run_dir, "bundles"))
                if not free & set(name.split("/"))]

    def idle_footprint(self):
        """The same once every request that was answered is over."""
        def idle():
            return not (self.containers() or self._bundles()
                        or machine.tree(os.path.join(self.state_dir, "staging")))
        self.log.wait_until(idle, "it does not become idle")
        return self.footprint()

    def wait_for_footprint(self, wanted):
        """Waits until the daemon holds no more than it did."""
        def no_more():
            now.update(self.footprint())
            return all(amount <= wanted[kind] if isinstance(amount, int)
                       else set(amount) <= set(wanted[kind]) for kind, amount in now.items())
        now = {}
        self.log.wait_until(no_more, lambda: f"{now} is more than {wanted}")

    @staticmethod
    def reap(pid):
        """Takes the exit of an orphan that came to us as the subreaper; True if it was a zombie."""
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return False

    def leftovers(self):
        """Sentences about what a daemon that has ended left on the machine."""
        alive = set(machine.descendants(os.getpid())) - self._processes_before
        alive = {pid for pid in alive if not self.reap(pid)}
        found = [f"process {pid}: {machine.command_of(pid)}" for pid in sorted(alive)]
        found += [f"mount {path}" for path in machine.mount_points()
                  if path.startswith(self.directory + "/")]
        found += [f"cgroup {path}" for path in self.cgroups()]
        found += [f"address {address} {label}" for address, label in machine.ipv4_addresses()
                  if address.startswith(self.subnet.prefix)]
        # A lock file may stay: who takes it away while another waits for it lets two in.
        found += [f"in the run directory: {name}" for name in machine.tree(self.run_dir)
                  if not name.endswith("lock")]
        return found


class FaasdTestCase(unittest.TestCase):
    """Starts daemons that are ended after the test, and checked for what they left."""

    def setUp(self):
        self._daemons = []
        self.addCleanup(self._end_daemons)

    def start(self, *flags, wait=True, **options):
        return self._keep(Faasd(*flags, wait=False, **options), wait)

    def restart(self, daemon, *flags, wait=True, **options):
        """Another one on the same directories."""
        return self._keep(daemon.successor(*flags, wait=False, **options), wait)

    def _keep(self, daemon, wait):
        self._daemons.append(daemon)  # first, so that one that does not start is ended as well
        if wait:
            daemon.wait_ready()
        return daemon

    def _end_daemons(self):
        daemons, self._daemons = self._daemons, []
        statuses = [daemon.stop() for daemon in daemons]  # raises if one does not end
        if not self._outcome.success:
            for daemon in daemons:
                print(f"--- log of {' '.join(daemon.arguments)}\n{daemon.log.tail(200)}")
        left = [text for daemon in daemons for text in daemon.leftovers()]
        for daemon in reversed(daemons):
            daemon.destroy()
        self.assertEqual(left, [], "left by the daemon after its end")
        for daemon, status in zip(daemons, statuses):
            self.assertEqual(status, daemon.expected_status, daemon.log.tail())
