"""Limits that a deploy may choose, as the container sees them; resources_test.py has what happens
to one that runs into them, row by row."""

import json
import os
import resource
import unittest

import images
import machine
from faasd_process import HELLO_TAR, FaasdTestCase, connect, curl, read_to_end


class ALimit(FaasdTestCase):
    def test_of_open_files_and_of_file_size_is_the_functions_own(self):
        faasd = self.start()
        address = faasd.deploy("small", images.misbehave("report"), "--open-files", "64",
                               "--file-size", "1M")
        limits = "\n".join(curl(address).json()["limits"])
        self.assertRegex(limits, r"Max open files +64 +64 ")
        self.assertRegex(limits, r"Max file size +1048576 +1048576 ")
        chosen = faasd.describe("small")["limits"]
        self.assertEqual((chosen["open_files"], chosen["file_size_bytes"]), (64, 1 << 20))

    def test_of_file_size_is_where_a_file_ends(self):
        faasd = self.start()
        address = faasd.deploy("writer", images.misbehave("fill-tmp", "4"), "--file-size", "1M")
        self.assertEqual(curl(address).body, b"fill: EFBIG\n")

    def test_of_output_is_what_is_kept_of_it(self):
        faasd = self.start()
        for name, output, kept in (("some", "4K", range(1, 4096 // 160 + 2)), ("none", "0", (0,))):
            address = faasd.deploy(name, images.misbehave("stderr-lines", "1000"), "--output",
                                   output)
            self.assertEqual(curl(address).status, 200)
            faasd.log.wait_until(lambda name=name: faasd.function_log(name)[-1:] and (
                "dropped_bytes" in faasd.function_log(name)[-1]), "no mark of the cut")
            lines = [line for line in faasd.function_log(name) if "dropped_bytes" not in line]
            self.assertIn(len(lines), kept, name)

    def test_of_open_files_cannot_be_more_than_the_daemons_own(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if most >= 1 << 20:
            self.skipTest("this process may open as many files as any option can ask for")
        faasd = self.start()
        refused = faasd.faas("new", "greedy", "--open-files", str(most + 1), "-f", HELLO_TAR)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("open_files", refused.stderr)
        self.assertIn("LimitNOFILE", refused.stderr)
        self.assertEqual(json.loads(faasd.faas("list", "--json").stdout)["functions"], [])


class TheDaemonsDescriptors(FaasdTestCase):
    def test_bound_how_many_are_served_at_once_and_the_others_wait(self):
        faasd = self.start(prefix=("prlimit", "--nofile=640"))
        address = faasd.deploy("held", HELLO_TAR, "--concurrency", "200", "--open-files", "64",
                               "--queue-timeout", "60s")
        clients = []
        for _ in range(100):  # half of the 640 are for them: four of each that is served
            clients.append(connect(address))
            self.addCleanup(clients[-1].close)
        faasd.log.wait_until(lambda: sum(self.counts(faasd)) == 100, lambda: self.counts(faasd))
        self.assertGreater(self.counts(faasd)[1], 0, "nobody waits")
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        for client in clients:
            self.assertTrue(read_to_end(client).startswith(b"HTTP/1.1 200"))
            client.close()

    @staticmethod
    def counts(faasd):
        function = faasd.describe("held")
        return function["live"], function["queued"]


class TheProcessor(FaasdTestCase):
    def test_is_for_younger_ones_first_once_an_instance_has_had_a_while(self):
        faasd = self.start()
        address = faasd.deploy("long", images.misbehave("never-exit"), "--timeout", "10s")
        self.addCleanup(connect(address).close)
        faasd.log.wait_until(lambda: faasd.footprint()["cgroups"], "no cgroup")
        if any(path.endswith(".scope") for path in faasd.footprint()["cgroups"]):
            self.skipTest("systemd makes the cgroups, and what they weigh is its own business")
        faasd.log.wait_until(lambda: self.yielding(faasd.containers()), "as heavy as before")

    def test_is_for_handlers_before_those_that_are_made_ready(self):
        faasd = self.start("--launcher", "native")
        address = faasd.deploy("hello")
        self.assertEqual(curl(address).status, 200)
        faasd.log.wait_until(lambda: self.yielding(faasd.launcher_processes()),
                             "slots are as heavy as handlers")

    @staticmethod
    def yielding(processes):
        """Those with a tenth of what others get: of 1024 on cgroup v1, of 100 on v2."""
        found = []
        for pid in processes:
            try:
                found += [pid] if machine.processor_share(pid) in (102, 10) else []
            except (LookupError, OSError):
                continue  # in the root, where nobody has a share, or gone by now
        return found


if __name__ == "__main__":
    unittest.main()
