"""Functions whose containers begin with the memory of one that has started before: --mode branched.

With either launcher (run.py, the tier `native`). What Python has of it is in handlers_test.py.
"""

import json
import threading
import unittest

import images
import machine
import posture_test
from faasd_client import at_this_pace
from faasd_process import HELLO_TAR, FaasdTestCase, curl

NOTHING_OF_OTHERS = {"served": 0, "pid": 1, "files": 4, "tmp": 0, "dev_shm": 0, "shm": 0, "name": 1,
                     "children": 0, "environment": 0, "deep": 1, "whole": 1, "wiped": 1,
                     "signals": 1, "exe": "/dev/faas-execute", "kept": "from before"}


class BranchedTestCase(FaasdTestCase):
    def branched(self, faasd, archive, *options, name="branched"):
        return faasd.deploy(name, archive, "--mode", "branched", *options)

    def wait_for_snapshot(self, faasd, name="branched"):
        faasd.log.wait_until(lambda: faasd.describe(name)["snapshot"].startswith("ready"),
                             lambda: f"the snapshot is {faasd.describe(name)['snapshot']}")

    def ready(self, faasd, *words, options=()):
        """The address of a function that has its snapshot."""
        address = self.branched(faasd, images.branching(*words), *options)
        self.wait_for_snapshot(faasd)
        return address

    def starts(self, faasd, count):
        """How the first `count` that were served began."""
        faasd.log.wait_until(lambda: len(faasd.log.find("receipt")) >= count, "some are missing")
        return [receipt["start"] for receipt in faasd.log.find("receipt")]


class ABranch(BranchedTestCase):
    def test_begins_with_the_memory_of_before_and_has_nothing_of_another(self):
        faasd = self.start()
        address = self.ready(faasd, "memory", "8")
        before = faasd.idle_footprint()
        for _ in range(5):
            self.assertEqual(curl(address).json(), NOTHING_OF_OTHERS)
        self.assertEqual(self.starts(faasd, 5), ["branched"] * 5)
        faasd.wait_for_footprint(before)

    def test_is_confined_as_any_other_container(self):
        faasd = self.start()
        cold = faasd.deploy("cold", images.probe())
        branched = self.branched(faasd, images.probe())
        self.wait_for_snapshot(faasd)
        expected, found = (posture_test.posture(curl(address).json())
                           for address in (cold, branched))
        self.assertEqual(self.starts(faasd, 2), ["cold", "branched"])
        restorer, = [mount for mount in found["mounts"] if mount["at"] == "/dev/faas-execute"]
        self.assertLessEqual({"ro", "nosuid", "nodev"}, set(restorer["with"]))
        found["mounts"].remove(restorer)
        found["devices"].remove("faas-execute")
        self.assertEqual(found, expected)

    def test_is_one_of_many_at_once(self):
        faasd = self.start()
        address = self.ready(faasd)
        found = []
        threads = [threading.Thread(target=lambda: found.append(curl(address).json()))
                   for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [NOTHING_OF_OTHERS] * 16)

    def test_shares_the_memory_that_it_does_not_write_to(self):
        faasd = self.start()
        address = self.ready(faasd, "memory", "32", "stay", options=("--timeout", "5s"))
        self.assertEqual(curl(address).status, 200)
        faasd.log.wait_until(lambda: len(faasd.containers()) == 1, "there is not one container")
        # Of 32 MiB nothing; its stack has been deep.
        self.assertLess(machine.own_memory_kib(faasd.containers()[0]), 8 * 1024)

    def test_may_be_parked(self):
        faasd = self.start()
        address = self.ready(faasd, options=("--warm", "2"))
        # The first two were there before the snapshot, perhaps.
        for _ in range(4):
            faasd.log.wait_until(lambda: faasd.describe("branched")["parked"] == 2, "not parked")
            of_either = {"exe": None, "wiped": None}
            self.assertEqual({**curl(address).json(), **of_either},
                             {**NOTHING_OF_OTHERS, **of_either})
        self.assertEqual(self.starts(faasd, 4), ["warm"] * 4)

    def test_is_of_the_version_that_is_served(self):
        faasd = self.start()
        address = self.ready(faasd)
        faasd.deploy("branched", images.misbehave("report"), "--mode", "branched", "-e", "V=2")
        self.wait_for_snapshot(faasd)
        for _ in range(2):
            self.assertIn("V=2", json.loads(curl(address).body)["env"])
        self.assertEqual(self.starts(faasd, 2), ["branched"] * 2)
        faasd.deploy("branched", HELLO_TAR)
        self.assertEqual(curl(address).status, 200)
        self.assertEqual(self.starts(faasd, 3)[-1], "cold")

    def test_is_there_again_after_a_restart(self):
        faasd = self.start()
        address = self.ready(faasd)
        self.assertEqual(faasd.stop(), 0)
        faasd = self.restart(faasd)
        # Nobody has called: nothing is made.
        self.assertEqual(faasd.describe("branched")["snapshot"],
                         "none yet; it comes with the first connection")
        self.assertEqual(curl(address).status, 200)
        self.wait_for_snapshot(faasd)
        self.assertEqual(curl(address).json(), NOTHING_OF_OTHERS)
        self.assertEqual(self.starts(faasd, 2), ["cold", "branched"])

    def test_that_fails_is_as_if_it_had_not_been_there(self):
        for word in ("exit", "fault", "spend"):
            with self.subTest(word):
                faasd = self.start()
                address = self.ready(faasd, word, options=("--memory", "32M"))
                self.assertEqual(curl(address).status, 200)
                faasd.log.wait_for("branch_lost", function="branched")
                self.assertTrue(faasd.log.wait_for("receipt", outcome="ok", start="cold"))
                self.assertIn("a container that began with it failed",
                              faasd.log.wait_for("snapshot_failed")["reason"])


    def test_that_hangs_is_given_up(self):
        faasd = self.start()
        address = self.ready(faasd, "stall", options=("--timeout", f"{at_this_pace(500)}ms"))
        self.assertEqual(curl(address).status, 504)
        self.assertIn("time limit", faasd.log.wait_for("snapshot_failed")["reason"])
        self.assertEqual(curl(address).status, 200)
        self.assertEqual(self.starts(faasd, 2), ["branched", "cold"])


class ASnapshot(BranchedTestCase):
    def test_cannot_be_made_of_what_has_more_than_memory(self):
        reasons = {"thread": "it has 2 threads before its first connection; it can have one",
                   "file": "it has a file or socket open before its first connection: /branching",
                   "socket": "it has a file or socket open before its first connection: socket:",
                   "shared": "it has shared memory before its first connection: /dev/zero",
                   "child": "it has started processes before its first connection"}
        faasd = self.start()
        for word, reason in reasons.items():
            with self.subTest(word):
                address = self.branched(faasd, images.branching(word), name=word)
                faasd.log.wait_for("snapshot_failed", function=word)
                self.assertTrue(faasd.describe(word)["snapshot"].startswith("none: " + reason),
                                faasd.describe(word)["snapshot"])
                self.assertEqual(curl(address).status, 200)

    def test_cannot_be_made_of_a_handler_that_does_not_know_how(self):
        faasd = self.start()
        address = self.branched(faasd, HELLO_TAR)
        faasd.log.wait_for("snapshot_failed", function="branched")
        self.assertIn("its handler does not know how", faasd.describe("branched")["snapshot"])
        self.assertEqual(curl(address).status, 200)

    def test_that_takes_too_long_is_given_up(self):
        faasd = self.start()
        self.branched(faasd, images.branching("hang"), "--timeout", f"{at_this_pace(300)}ms")
        faasd.log.wait_for("snapshot_failed", function="branched")
        self.assertIn("time limit", faasd.describe("branched")["snapshot"])

    def test_has_as_much_memory_as_its_function_and_as_much_to_be_written(self):
        faasd = self.start()
        self.branched(faasd, images.branching("memory", "48"), "--memory", "64M", name="fits")
        self.wait_for_snapshot(faasd, "fits")
        self.branched(faasd, images.branching("memory", "100"), "--memory", "64M")
        faasd.log.wait_for("snapshot_failed", function="branched")
        self.assertIn("out of memory", faasd.describe("branched")["snapshot"])

    def test_leaves_no_invocation_behind(self):
        faasd = self.start()
        self.ready(faasd)
        self.assertEqual(faasd.describe("branched")["invocations"], 0)
        self.assertEqual(faasd.log.find("receipt"), [])

    def test_goes_with_its_function(self):
        faasd = self.start()
        before = faasd.idle_footprint()
        self.ready(faasd, "memory", "8")
        faasd.faas("rm", "branched")
        faasd.wait_for_footprint(before)

    def test_that_is_being_made_does_not_keep_its_function_from_going(self):
        faasd = self.start()
        self.branched(faasd, images.branching("hang"))
        faasd.log.wait_until(faasd.containers, "its container is not there")
        faasd.faas("rm", "branched")
        faasd.log.wait_until(lambda: not faasd.containers(), "its container is still there")

    def test_is_not_made_twice_when_the_daemon_was_killed_meanwhile(self):
        faasd = self.start()
        self.branched(faasd, images.branching("hang"))
        faasd.log.wait_until(faasd.containers, "its container is not there")
        faasd.kill9()
        faasd = self.restart(faasd)
        self.assertEqual(faasd.containers(), [])
        self.assertEqual(faasd.log.find("receipt"), [])

    def test_is_refused_where_nothing_waits_for_a_connection(self):
        faasd = self.start()
        language = {"name": "shell", "version": "1", "run": ["/branching", "{file}"],
                    "file": "main.sh"}
        refused = faasd.faas("new", "shell", "--language", json.dumps(language), "--mode",
                             "branched", input=images.branching())
        self.assertEqual(refused.returncode, 1)
        self.assertIn("'mode' can be 'branched' for functions", refused.stderr)


if __name__ == "__main__":
    unittest.main()
