"""Ways out of a container, row by row of the table of what must be true (E1 to E7, N1 to N7)."""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import images
import machine
from faasd_process import PATH, FaasdTestCase, curl

ELSEWHERE = ("198.51.100.1", "2001:db8::1")  # RFC 5737, RFC 3849: nobody has them
RESOLVER = "127.0.0.53"
UNREACHABLE = ("ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH", "EPERM", "EACCES", "EAFNOSUPPORT")
# On a loopback interface of its own there is nobody.
NOBODY_THERE = (*UNREACHABLE, "ECONNREFUSED")


class HostService:
    """A listener of the host that counts who comes."""

    def __init__(self, family, address):
        self.hits = 0
        self._socket = socket.socket(family)
        self._socket.bind(address)
        self._socket.listen()
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self):
        with contextlib.suppress(OSError):  # shut down by `close`
            while True:
                self._socket.accept()[0].close()
                self.hits += 1

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


class EscapeTestCase(FaasdTestCase):
    def service(self, family, address):
        service = HostService(family, address)
        self.addCleanup(service.close)
        return service

    def look(self, faasd, *targets):
        address = faasd.deploy("probe", images.probe(*targets))
        return curl(address).json()


class TheRuntime(EscapeTestCase):
    """A copy of runc: never is the machine's own at stake."""

    # The first line of a script, and the command: each so that the runtime would start itself.
    COMMANDS = (
        *((f"#!{interpreter}", [command])
          for interpreter in ("/proc/self/exe", "/proc/self/exe init", "/proc/1/exe",
                              "/proc/thread-self/exe", "/proc/self/fd/5", "/proc/self/fd/6",
                              "/p/self/exe")
          for command in ("/handler", "/script")),
        ("", ["/linked"]), ("", ["/proc/self/exe"]), ("", ["/proc/1/exe", "init"]),
        ("", ["/misbehave", "rewrite"]),
    )

    def copy_of_runc(self):
        directory = tempfile.mkdtemp(prefix="r-")
        self.addCleanup(shutil.rmtree, directory)
        return shutil.copy(shutil.which("runc", path=PATH), directory)

    @staticmethod
    def state_of(program):
        status = os.stat(program)
        with open(program, "rb") as file:
            return (hashlib.sha256(file.read()).hexdigest(), status.st_size, status.st_mode,
                    status.st_uid, status.st_mtime_ns, status.st_ctime_ns)

    def shared_libraries(self, program):
        """Of a program that is linked with any: their names on this machine."""
        done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        words = [word for line in done.stdout.splitlines() for word in line.split()]
        return [word for word in words if word.startswith("/")] if done.returncode == 0 else []

    def test_E1_cannot_be_rewritten_by_what_it_starts(self):
        runc = self.copy_of_runc()
        libraries = self.shared_libraries(runc)
        before = self.state_of(runc)
        faasd = self.start("--launcher", runc)
        good = faasd.deploy("hello")
        loaded = []
        for number, (script, command) in enumerate(self.COMMANDS):
            with self.subTest(script=script, command=command):
                name = f"hostile{number}"
                image = images.hostile_to_runtime(script + "\n", libraries, Entrypoint=command)
                done = faasd.faas("new", name, "--timeout", "10s", input=image)
                if done.returncode == 0:
                    self.assertEqual(curl(faasd.ip(name)).json()["code"], "launch_failed")
                    lines = [line["text"] for line in faasd.function_log(name)]
                    loaded += [line for line in lines if line == "loaded into the runtime"]
                    done = [line for line in lines if line.endswith((": done", ": written"))]
                    self.assertEqual(done, [])
                self.assertEqual(self.state_of(runc), before)
                self.assertEqual(curl(good).status, 200)
        if libraries:  # else there is nothing in it that an image could replace
            self.assertGreater(len(loaded), 0, "no attack got as far as it can")


class TheRoot(EscapeTestCase):
    def test_E2_is_where_every_path_upwards_ends(self):
        ways = self.look(self.start())["ways_out"]
        self.assertGreater(len(ways), 64)
        self.assertEqual([way for way, end in ways.items() if end == "elsewhere"], [])
        self.assertEqual(ways["/../../../../../../../../../../../.."], "root")

    def test_E4_has_no_file_that_makes_the_host_run_something(self):
        writes = self.look(self.start())["writes"]
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                     "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc/register",
                     "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent",
                     "/sys/fs/cgroup/memory/release_agent", "/sys/power/state"):
            self.assertIn(writes[path], ("EROFS", "EACCES", "ENOENT", "EPERM"), path)


class Canary:
    """A directory of the host, open to everybody, in which nothing may ever be done."""

    def __init__(self, case):
        self.path = tempfile.mkdtemp(prefix="c-")
        case.addCleanup(shutil.rmtree, self.path)
        os.chmod(self.path, 0o777)  # so that no mode is what protects it
        with open(os.path.join(self.path, "file"), "w", encoding="ascii") as file:
            file.write("canary")
        self.socket = os.path.join(self.path, "socket")
        self.service = case.service(socket.AF_UNIX, self.socket)
        os.chmod(self.socket, 0o777)
        self.watch = case.enterContext(machine.Watch(self.path))


class Links(EscapeTestCase):
    def places(self, canary):
        """Links of every kind to the canary, and what the host would do if it followed them."""
        ways = {
            "absolute": canary, "relative": "../" * 12 + canary[1:],
            "root": "/proc/1/root" + canary, "self": "/proc/self/root" + canary,
            "thread": "/proc/thread-self/root" + canary, "cwd": "/proc/1/cwd" + canary,
            "chain": "/tmp/absolute", "shm": "/dev/shm/to", "loop": "/tmp/loop",
        }
        targets = [f"link:/dev/shm/to={canary}"]
        for name, target in ways.items():
            place = f"/tmp/{name}"
            targets += [f"link:{place}={target}", f"unix:{place}/socket", f"bind:{place}/made"]
        for straight in (canary, "/proc/1/root" + canary, "/proc/self/cwd" + canary,
                         "/proc/self/fd/1" + canary):
            targets += [f"unix:{straight}/socket", f"bind:{straight}/made"]
        # Where a careless host would look for something of its own.
        for place in ("/tmp/control.sock", "/dev/shm/faasd.sock", "/tmp/config.json", "/tmp/pid"):
            targets += [f"link:{place}={canary}/file"]
        targets += [f"link:/tmp/direct={canary}/socket", "unix:/tmp/direct", "bind:/tmp/direct"]
        return targets

    def test_E7_of_a_container_are_never_followed_by_the_host(self):
        canary = Canary(self)
        faasd = self.start()
        targets = self.places(canary.path)
        seen = self.look(faasd, *targets)["targets"]
        self.assertEqual(list(seen), targets)
        for target, result in seen.items():
            if target.startswith("link:"):
                self.assertEqual(result, "ok", target)
            else:
                self.assertIn(result, ("ENOENT", "ELOOP", "ENOTDIR", "EACCES", "EADDRINUSE"),
                              target)
        # And not when its time is over and its socket is taken back, nor by what looks at it.
        address = faasd.deploy("probe", images.probe(*targets, "hang:"), "--timeout", "2s")
        self.assertEqual(curl(address).status, 504)
        for words in (("describe", "probe"), ("logs", "probe"), ("receipts", "probe"), ("gc",),
                      ("rm", "probe")):
            faasd.faas(*words, check=True)
        self.assertEqual(faasd.stop(), 0)
        self.assertEqual(canary.watch.events(), [])
        self.assertEqual(canary.service.hits, 0)
        self.assertEqual(sorted(os.listdir(canary.path)), ["file", "socket"])
        self.assertIn("close", {event for event, _ in canary.watch.events()})  # of that look


class TheNetwork(EscapeTestCase):
    def assert_unreachable(self, targets, allowed=UNREACHABLE):
        for target, result in targets.items():
            self.assertIn(result, allowed, target)

    def test_N1_has_no_way_out(self):
        away = [f"{kind}:{address}:{port}" for kind, port in (("tcp", 80), ("udp", 53))
                for address in ELSEWHERE]
        near = [f"tcp:{RESOLVER}:53", "tcp:::1:80"]
        seen = self.look(self.start(), *away, *near)["targets"]
        self.assertEqual(list(seen), away + near)
        self.assert_unreachable({target: seen[target] for target in away})
        self.assert_unreachable({target: seen[target] for target in near}, NOBODY_THERE)

    def test_N4_does_not_reach_the_hosts_services_or_another_function(self):
        faasd = self.start()
        service = self.service(socket.AF_INET, ("127.0.0.1", 0))
        with contextlib.ExitStack() as stack:
            datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            datagrams.bind(("127.0.0.1", 0))
            other = faasd.deploy("hello")
            targets = [f"tcp:{faasd.listen}", f"tcp:{other}:80",
                       f"tcp:127.0.0.1:{service.address[1]}",
                       f"tcp:::ffff:127.0.0.1:{service.address[1]}"]
            datagram = f"udp:127.0.0.1:{datagrams.getsockname()[1]}"  # may be sent, to nobody
            seen = self.look(faasd, *targets, datagram)["targets"]
            self.assertIn(datagram, seen)
            self.assert_unreachable({target: seen[target] for target in targets}, NOBODY_THERE)
            with self.assertRaises(BlockingIOError):
                datagrams.recv(1, socket.MSG_DONTWAIT)
        self.assertEqual(service.hits, 0)
        self.assertEqual(faasd.describe("hello")["invocations"], 0)

    def test_N4_does_not_see_the_control_socket(self):
        faasd = self.start()
        seen = self.look(faasd, f"unix:{faasd.socket}", "unix:/run/docker.sock")["targets"]
        self.assert_unreachable(seen, ("ENOENT",))

    def test_N5_does_not_reach_abstract_sockets_of_the_host(self):
        name = f"faasd-test-canary-{os.getpid()}"
        service = self.service(socket.AF_UNIX, f"\0{name}")
        seen = self.look(self.start(), f"unix:@{name}")["targets"]
        self.assert_unreachable(seen, NOBODY_THERE)
        self.assertEqual(service.hits, 0)

    def test_N7_takes_no_descriptor_that_a_handler_sends(self):
        faasd = self.start()
        address = faasd.deploy("sender", images.misbehave("send-fds", "16"))
        self.assertEqual(curl(address).status, 200)
        before = faasd.idle_footprint()
        with machine.watched(lambda: len(machine.open_fds(faasd.process.pid))) as counts:
            for _ in range(20):
                self.assertEqual(curl(address).status, 200)
        # What one instance has of them, and containers to come; he sends some thousands.
        self.assertLess(max(counts), before["fds"] + 96)
        faasd.wait_for_footprint(before)


if __name__ == "__main__":
    unittest.main()
