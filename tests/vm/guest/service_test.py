"""faasd as a service of systemd, on a machine that has cgroup v2 and nothing else."""

import json
import re
import subprocess
import unittest

import images
from faasd_process import Reply, connect, curl, read_to_end
from service import UNIT, ServiceTestCase, handler_with_cgroup, read_cgroup, systemctl

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1 << 20
# `systemd-analyze security`: 10.0 is a service without any protection. The unit says which ones it
# leaves out and why; one more that is left out, or lost, shows here.
MAX_EXPOSURE = 8.4


class TheMachine(unittest.TestCase):
    def test_has_cgroup_v2_alone_and_systemd_as_its_first_process(self):
        kinds = set()
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            for line in file:
                kinds.add(line.partition(" - ")[2].split(" ")[0])
        self.assertIn("cgroup2", kinds)
        self.assertNotIn("cgroup", kinds)
        with open("/proc/1/comm", encoding="ascii") as file:
            self.assertEqual(file.read(), "systemd\n")


class TheUnit(ServiceTestCase):
    def test_is_without_fault_and_enabled(self):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(systemctl("is-enabled", UNIT), "enabled")

    def test_is_no_more_exposed_than_it_was(self):
        done = subprocess.run(["systemd-analyze", "security", "--no-pager", UNIT],
                              capture_output=True, text=True)
        exposure = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
        self.assertTrue(exposure, done.stdout + done.stderr)
        print(exposure[0], flush=True)
        self.assertLessEqual(float(exposure[1]), MAX_EXPOSURE, done.stdout)

    def test_is_active_when_functions_can_be_called(self):
        self.assertEqual(systemctl("is-active", UNIT), "active")
        reply = curl(self.service.deploy("hello"))
        self.assertEqual(reply.status, 200, reply)
        self.service.log.wait_for("deployed", function="hello")
        self.service.log.wait_for("receipt", function="hello", outcome="ok")

    def test_keeps_functions_over_a_restart(self):
        address = self.service.deploy("hello")
        before = self.service.pid()
        systemctl("restart", UNIT)
        self.assertNotEqual(self.service.pid(), before)
        self.assertEqual(self.service.ip("hello"), address)
        self.assertEqual(curl(address).status, 200)

    def test_lets_running_invocations_finish_when_it_is_stopped(self):
        address = self.service.deploy("hello")
        with connect(address) as held:
            self.service.log.wait_until(
                lambda: self.service.describe("hello")["live"] == 1, "no container started")
            systemctl("stop", "--no-block", UNIT)
            self.service.log.wait_for("draining")
            held.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(held)).status, 200)

    def test_comes_back_when_the_daemon_is_killed_and_its_containers_are_gone(self):
        address = self.service.deploy("hello")
        before = self.service.pid()
        with connect(address) as held:
            self.service.log.wait_until(
                lambda: self.service.describe("hello")["live"] == 1, "no container started")
            systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
            try:
                self.assertEqual(read_to_end(held), b"")
            except ConnectionResetError:
                pass
        self.service.log.wait_until(lambda: len(self.service.log.find("ready")) == 2,
                                    "it was not started again")
        self.assertNotEqual(self.service.pid(), before)
        self.assertEqual(curl(address).status, 200)
        self.service.log.wait_until(lambda: not self.service.containers(), "a container stays")
        self.assertEqual(self.service.properties("NRestarts"), {"NRestarts": "1"})


class AContainer(ServiceTestCase):
    def test_has_its_limits_in_a_cgroup_of_its_own_below_the_services(self):
        address = self.service.deploy("hello", images.hello(), "--memory", "64M", "--cpus", "0.5",
                                      "--pids", "32")
        with connect(address) as held:
            pid, path = handler_with_cgroup(self.service)
            self.assertIn(self.service.properties("ControlGroup")["ControlGroup"] + "/", path)
            limits = {name: read_cgroup(path, name) for name in (
                "memory.max", "memory.swap.max", "cpu.max", "pids.max", "cgroup.procs")}
            self.assertEqual(limits, {
                "memory.max": str(64 * MIB), "memory.swap.max": "0", "cpu.max": "50000 100000",
                "pids.max": "32", "cgroup.procs": str(pid)})
            held.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(held)).status, 200)

    def test_that_runs_out_of_memory_is_a_receipt_and_not_the_end_of_the_service(self):
        before = self.service.pid()
        sibling = self.service.deploy("hello")
        greedy = self.service.deploy("greedy", images.misbehave("alloc", "256"), "--memory", "32M")
        try:
            self.assertNotIn(b"allocated", curl(greedy).raw)
        except ConnectionResetError:
            pass
        self.service.log.wait_for("receipt", function="greedy")
        receipt = json.loads(self.service.faas("receipts", "greedy", "--json", check=True).stdout)
        self.assertEqual((receipt["outcome"], receipt["signal"]), ("oom", 9))
        self.assertGreater(receipt["cpu_ms"], 0)
        self.assertGreater(receipt["memory_peak_bytes"], 24 * MIB)
        self.assertLessEqual(receipt["memory_peak_bytes"], 32 * MIB)
        self.assertEqual(curl(sibling).status, 200)
        self.assertEqual(self.service.pid(), before)
        self.assertEqual(systemctl("is-active", UNIT), "active")


class TheDoctor(ServiceTestCase):
    def test_finds_no_fault_and_the_daemon(self):
        done = self.service.faas("doctor", "--json")
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        failed = [check for check in checks.values() if check["outcome"] == "fail"]
        self.assertEqual((failed, done.returncode), ([], 0))
        self.assertEqual(checks["daemon"]["outcome"], "ok")
        self.assertEqual(checks["cgroups"]["outcome"], "ok")
        self.assertIn("v2", json.dumps(checks["cgroups"]))
        self.assertNotIn("v1", json.dumps(checks["cgroups"]))


if __name__ == "__main__":
    unittest.main()
