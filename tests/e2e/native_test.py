"""The native launcher: what it keeps, what it adds nowhere, and what happens when it is hurt.

What its containers are is in the files that run with either launcher (run.py, the tier `native`).
"""

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

import images
import machine
from faasd_process import (HELLO_TAR, PATH, FaasdTestCase, Reply, at_this_pace, connect, curl,
                           read_to_end)
from image_tar import file

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
READY_FDS = 5  # 0, 1, 2, its socket to faasd, and its user namespace
READY_SLOTS = 24  # at most
# The number that a network has for all time, to who is in it (SO_NETNS_COOKIE, socket(7)).
COOKIE = "import socket; print(int.from_bytes(socket.socket(socket.AF_UNIX).getsockopt(1, 71, 8)))"


def pid_namespace(pid):
    """Empty if it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def is_slot(pid):
    return pid_namespace(pid) not in ("", pid_namespace("self"))


def is_ready(pid):
    try:
        return is_slot(pid) and len(machine.open_fds(pid)) == READY_FDS
    except OSError:
        return False


class NativeTestCase(FaasdTestCase):
    def native(self):
        faasd = self.start("--launcher", "native")
        return faasd, faasd.deploy("hello", HELLO_TAR)

    def slots(self, faasd, count):
        """The free slots, once there are so many that are ready."""
        def found():
            pids = list(filter(is_ready, faasd.launcher_processes()))
            return pids if len(pids) >= count else None
        return faasd.log.wait_until(found, f"there are no {count} slots")

    def launcher(self, faasd):
        """Beside it there may be what it makes a user namespace with, for a moment."""
        def found():
            pids = [pid for pid in faasd.launcher_processes()
                    if pid_namespace(pid) == pid_namespace("self")]
            return pids if len(pids) == 1 else None
        return faasd.log.wait_until(found, "there is no launcher")[0]

    def answered_by(self, address):
        reply = curl(address)
        self.assertEqual(reply.status, 200, reply)


class WhoLaunches(NativeTestCase):
    def test_is_said_by_the_function_or_else_by_the_daemon(self):
        for default, other in (("runc", "native"), ("native", "runc")):
            with self.subTest(default=default):
                faasd = self.start("--launcher", default)
                for name, options in ((default, ()), (other, ("--launcher", other))):
                    address = faasd.deploy(name, HELLO_TAR, *options)
                    self.answered_by(address)
                    receipt = faasd.log.wait_for("receipt", function=name)
                    self.assertEqual((receipt["launcher"], receipt["outcome"]), (name, "ok"))
                    self.assertEqual(faasd.describe(name)["launcher"], name)

    def test_is_one_that_the_daemon_knows(self):
        faasd = self.start()
        done = faasd.faas("new", "hello", "-f", HELLO_TAR, "--launcher", "/bin/sh", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("only 'runc' and 'native'", done.stderr)


    def test_by_its_path_is_another_daemons_runc(self):
        """A function that names the OCI runtime comes back under whichever daemon."""
        path = shutil.which("runc", path=PATH)
        faasd = self.start("--launcher", path)
        for name, launcher in (("path", path), ("word", "runc"), ("native", "native")):
            faasd.deploy(name, HELLO_TAR, "--launcher", launcher)
        faasd.stop()
        for default in ("native", "runc"):
            faasd = self.restart(faasd, "--launcher", default)
            for name in ("path", "word", "native"):
                self.answered_by(faasd.faas("ip", name).stdout.strip())
            self.assertEqual(faasd.describe("path")["launcher"], "runc")
            faasd.stop()

    def test_is_in_the_receipt_that_the_next_daemon_writes_and_who_only_waited_has_none(self):
        faasd = self.start("--launcher", "native")
        address = faasd.deploy("hello", HELLO_TAR)
        faasd.deploy("waits", HELLO_TAR, "--warm", "1")
        self.wait_for_parked(faasd, "waits")
        with connect(address):
            faasd.log.wait_until(lambda: len(self.handlers(faasd)) == 2, "no container runs")
            # Written while the container begins.
            configs = os.path.join(faasd.run_dir, "bundles", "*", "config.json")
            faasd.log.wait_until(lambda: len(glob.glob(configs)) == 2, "it is not marked")
            faasd.kill9()
        faasd = self.restart(faasd, "--launcher", "runc")
        receipt, = map(json.loads,
                       faasd.faas("receipts", "hello", "--json").stdout.splitlines())
        self.assertEqual((receipt["launcher"], receipt["outcome"]), ("native", "signal"))
        self.assertEqual(faasd.faas("receipts", "waits", "--json").stdout, "")
        self.wait_for_parked(faasd, "waits")  # a launch that the end cuts short is no matter here

    def wait_for_parked(self, faasd, name):
        faasd.log.wait_until(lambda: faasd.describe(name)["parked"] == 1, "it is not parked")

    def handlers(self, faasd):
        return [pid for pid in faasd.containers() if machine.command_of(pid) == "/hello"]


class ASlot(NativeTestCase):
    def test_adds_no_mount_to_the_daemon_or_the_host(self):
        faasd, address = self.native()
        before = (machine.mount_points(faasd.process.pid), machine.mount_points())
        for _ in range(20):
            self.answered_by(address)
        self.assertEqual((machine.mount_points(faasd.process.pid), machine.mount_points()), before)

    def test_has_ids_of_its_own_even_beside_one_of_the_same_function(self):
        faasd = self.start("--launcher", "native")
        address = faasd.deploy("report", images.misbehave("report"))
        with connect(address) as first, connect(address) as second:
            for sock in (first, second):
                sock.sendall(b"GET / HTTP/1.1\r\n")
            faasd.log.wait_until(lambda: len(faasd.containers()) == 2, "there are not two")
            for sock in (first, second):
                sock.sendall(b"Connection: close\r\n\r\n")
            maps = [Reply(read_to_end(sock)).json()["uid_map"] for sock in (first, second)]
        self.assertNotEqual(*maps)

    def test_sees_neither_the_host_nor_the_launcher(self):
        """What it is before it becomes a container: nobody has asked for it yet."""
        faasd, address = self.native()
        self.answered_by(address)
        for pid in self.slots(faasd, 4):
            mounts = set(machine.mount_points(pid))
            self.assertEqual([path for path in mounts if path != "/"
                              and not path.startswith(("/parts/", "/devices/"))], [])
            self.assertEqual(sorted(os.listdir(f"/proc/{pid}/root")),
                             ["devices", "parts", "root"])
            held = [target for fd, target in machine.open_fds(pid).items() if fd > 2]
            self.assertEqual([target for target in held
                              if not target.startswith(("socket:", "user:"))], [])

    def test_has_the_limits_of_its_function_whoever_came_before(self):
        faasd = self.start("--launcher", "native")
        sizes = {"small": 64 << 20, "large": 512 << 20}
        addresses = {name: faasd.deploy(name, HELLO_TAR, "--memory", str(size))
                     for name, size in sizes.items()}
        for name in ("small", "large", "small", "large", "large", "small", "small"):
            with connect(addresses[name]) as held:
                pid, = faasd.log.wait_until(
                    lambda: [pid for pid in faasd.containers()
                             if machine.command_of(pid) == "/hello"], "no container runs")
                self.assertEqual(machine.memory_limit(pid), sizes[name])
                held.sendall(REQUEST)
                self.assertEqual(Reply(read_to_end(held)).status, 200)
            faasd.idle_footprint()

    def test_has_a_network_that_others_had_unless_they_used_it(self):
        faasd, address = self.native()
        uses = faasd.deploy("uses", images.socket_thief("1"))
        used = {self.network_of_next(faasd, uses, "/socket_thief 1") for _ in range(3)}
        networks = [self.network_of_next(faasd, address, "/hello") for _ in range(2 * READY_SLOTS)]
        self.assertEqual(used.intersection(networks), set())
        self.assertLess(len(set(networks)), len(networks))

    def network_of_next(self, faasd, address, program):
        """Of the next container that is called."""
        with connect(address) as held:
            pid, = faasd.log.wait_until(
                lambda: [pid for pid in faasd.containers() if machine.command_of(pid) == program],
                "no container runs")
            done = subprocess.run(["nsenter", "--target", str(pid), "--net", sys.executable, "-c",
                                   COOKIE], capture_output=True, text=True, check=True)
            held.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(held)).status, 200)
        faasd.idle_footprint()
        return int(done.stdout)

    def test_that_dies_is_replaced_and_no_request_is_lost(self):
        faasd, address = self.native()
        self.answered_by(address)
        slots = self.slots(faasd, 4)
        for pid in slots:
            os.kill(pid, signal.SIGKILL)
        faasd.log.wait_until(lambda: len(faasd.log.find("slot_lost", reason="it was killed"))
                             == len(slots), "one was not missed")
        self.slots(faasd, len(slots))
        for _ in range(12):
            self.answered_by(address)
        self.assertEqual({receipt["outcome"] for receipt in faasd.log.find("receipt")}, {"ok"})

    def test_that_cannot_execute_the_program_says_so_and_leaves_nothing(self):
        faasd = self.start("--launcher", "native")
        address = faasd.deploy("broken", images.misbehave(
            "answer", entries=[file("no-program", b"neither a script nor ELF", 0o755)],
            Entrypoint=["/no-program"]))
        self.assertEqual(curl(address).status, 502)
        receipt = faasd.log.wait_for("receipt")
        self.assertEqual(receipt["outcome"], "launch_failed")
        self.assertIn("execute /no-program: Exec format error", receipt["reason"])
        faasd.idle_footprint()


class TheLauncher(NativeTestCase):
    def test_that_is_killed_is_started_again(self):
        faasd, address = self.native()
        self.answered_by(address)
        self.slots(faasd, 4)
        first = self.launcher(faasd)
        os.kill(first, signal.SIGKILL)
        faasd.log.wait_for("launcher_ended")
        for _ in range(20):
            self.answered_by(address)
        self.assertNotEqual(self.launcher(faasd), first)

    def test_that_hangs_holds_up_nobody_elses_containers(self):
        faasd, address = self.native()
        other = faasd.deploy("other", HELLO_TAR, "--launcher", "runc", "--concurrency", "2",
                             "--queue", "2")
        hasty = faasd.deploy("hasty", HELLO_TAR, "--timeout", f"{at_this_pace(300)}ms")
        self.answered_by(address)
        slots = len(self.slots(faasd, 4))
        launcher = self.launcher(faasd)
        os.kill(launcher, signal.SIGSTOP)
        try:
            with contextlib.ExitStack() as held:
                for _ in range(slots + 4):
                    held.enter_context(connect(hasty))
                faasd.log.wait_until(
                    lambda: len(faasd.log.find("receipt", function="hasty")) > slots,
                    "they are not given up")
                for _ in range(6):
                    self.answered_by(other)
        finally:
            os.kill(launcher, signal.SIGCONT)
        self.answered_by(address)

    def test_has_no_root_and_few_rights(self):
        faasd, address = self.native()
        self.answered_by(address)
        pid = self.launcher(faasd)
        self.assertEqual(sorted(os.listdir(f"/proc/{pid}/root")), ["devices", "parts", "root"])
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        self.assertEqual(status["Threads"], "1")
        self.assertEqual(status["NoNewPrivs"], "1")
        # chown, dac_override, fowner, setgid, setuid, setpcap, net_admin, sys_chroot, sys_admin,
        # setfcap
        rights = sum(1 << number for number in (0, 1, 3, 6, 7, 8, 12, 18, 21, 31))
        self.assertEqual(int(status["CapPrm"], 16) & ~rights, 0)

    def test_ends_with_its_daemon_however_that_ends(self):
        faasd, address = self.native()
        self.answered_by(address)
        known = [self.launcher(faasd), *self.slots(faasd, 4)]
        faasd.kill9()
        self.restart(faasd).log.wait_until(
            lambda: not [pid for pid in known if machine.program_of(pid) == "faasd-launcher"],
            "the launcher or a slot lives on")


if __name__ == "__main__":
    unittest.main()
