"""A daemon that systemd has delegated nothing to: systemd makes the cgroups of its containers."""

import re
import unittest

import images
from faasd_process import FaasdTestCase, Reply, connect, curl, read_to_end
from service import handler_with_cgroup, read_cgroup, systemctl

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1 << 20


class AnInstance(FaasdTestCase):
    def test_has_a_scope_of_its_own_with_its_limits_in_the_slice_of_its_daemon(self):
        faasd = self.start()
        address = faasd.deploy("hello", images.hello(), "--memory", "64M", "--cpus", "0.5",
                               "--pids", "32")
        with connect(address) as held:
            pid, path = handler_with_cgroup(faasd)
            found = re.fullmatch(r"/(faasd_\w+\.slice)/(faasd-[0-9a-f]+\.scope)", path)
            self.assertTrue(found, path)
            self.assertIn(found[1], faasd.cgroup_names)
            for unit in found.groups():
                self.assertEqual(systemctl("is-active", unit), "active")
            limits = {name: read_cgroup(path, name) for name in (
                "memory.max", "cpu.max", "pids.max", "cgroup.procs")}
            self.assertEqual(limits, {
                "memory.max": str(64 * MIB), "cpu.max": "50000 100000", "pids.max": "32",
                "cgroup.procs": str(pid)})
            held.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(held)).status, 200)
        faasd.log.wait_until(lambda: not self.units(found[2]), "the scope stays")
        self.assertEqual(faasd.stop(), 0)
        self.assertEqual(self.units(found[1]), "")

    @staticmethod
    def units(name):
        return systemctl("list-units", "--all", "--plain", "--no-legend", name)

    def test_that_is_over_its_time_is_ended_with_its_scope(self):
        faasd = self.start()
        address = faasd.deploy("slow", images.misbehave("never-exit"), "--timeout", "500ms")
        before = faasd.idle_footprint()
        self.assertEqual(curl(address).status, 504)
        faasd.wait_for_footprint(before)

    def test_of_a_daemon_that_was_killed_is_removed_by_the_next_one(self):
        first = self.start()
        address = first.deploy("hello")
        with connect(address) as held:
            _, path = handler_with_cgroup(first)
            first.kill9()
            second = self.restart(first)
            try:
                self.assertEqual(read_to_end(held), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(curl(address).status, 200)
        second.idle_footprint()
        second.log.wait_until(lambda: not self.units(path.rsplit("/", 1)[1]), "the scope stays")


if __name__ == "__main__":
    unittest.main()
