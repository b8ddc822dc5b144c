"""Ways out of a container, row by row of the table of what must be true (E2, E4, N1, N4, N5)."""

import contextlib
import os
import socket
import threading
import unittest

import images
from faasd_process import FaasdTestCase, curl

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


if __name__ == "__main__":
    unittest.main()
