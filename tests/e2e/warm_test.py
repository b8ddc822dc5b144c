"""Instances that are parked before their connection comes: --warm."""

import json
import os
import signal
import threading
import unittest

import images
import machine
from faasd_client import at_this_pace
from faasd_process import FaasdTestCase, connect, curl, read_to_end

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class WarmTestCase(FaasdTestCase):
    def wait_for_parked(self, faasd, name, count):
        faasd.log.wait_until(lambda: faasd.describe(name)["parked"] == count,
                             lambda: f"{faasd.describe(name)['parked']} parked, not {count}")

    def warm(self, faasd, *words, count=1, name="warm", options=(), **config):
        """The address of a function whose instances are parked."""
        archive = images.misbehave(*words, **config)
        address = faasd.deploy(name, archive, "--warm", str(count), *options)
        self.wait_for_parked(faasd, name, count)
        return address

    def receipts(self, faasd, count):
        faasd.log.wait_until(lambda: len(faasd.log.find("receipt")) >= count, "some are missing")
        return faasd.log.find("receipt")

    def only_process(self, faasd):
        """Of the only container there is, once its runtime has left."""
        faasd.log.wait_until(lambda: len(faasd.containers()) == 1, "there is not one container")
        return faasd.containers()[0]


class AParkedInstance(WarmTestCase):
    def test_serves_one_connection_and_another_takes_its_place(self):
        faasd = self.start()
        address = self.warm(faasd, "report", count=2)
        for _ in range(5):
            self.wait_for_parked(faasd, "warm", 2)
            self.assertEqual(curl(address).status, 200)
        receipts = self.receipts(faasd, 5)
        self.assertEqual([receipt["start"] for receipt in receipts], ["warm"] * 5)
        self.assertEqual(len({receipt["instance"] for receipt in receipts}), 5)
        metrics = faasd.api("GET", "/metrics")[2].decode()
        self.assertRegex(metrics, r'faasd_instances_parked\{function="warm"\} [12]\n')

    def test_is_like_one_that_was_launched_for_its_connection(self):
        faasd = self.start()
        cold_address = faasd.deploy("cold", images.misbehave("report"))
        warm_address = self.warm(faasd, "report")
        cold, warm = (json.loads(curl(address).body) for address in (cold_address, warm_address))
        self.assertEqual(cold.keys(), warm.keys())
        for member in ("argv", "env", "uid", "gid", "cwd", "nice"):
            if member in cold:
                self.assertEqual(cold[member], warm[member], member)

    def test_has_the_processors_to_itself_only_when_it_serves(self):
        faasd = self.start()
        address = self.warm(faasd, "never-exit", options=("--timeout", f"{at_this_pace(2000)}ms"))
        process = self.only_process(faasd)
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, process), os.getpriority(0, 0))
        share = machine.processor_share(process)
        with connect(address) as sock:
            sock.sendall(REQUEST)
            faasd.log.wait_until(lambda: machine.processor_share(process) >= 9 * share,
                                 "it is served with the share of one that waits")

    def test_has_all_its_time_from_the_connection_on(self):
        faasd = self.start()
        address = self.warm(faasd, "answer", options=("--timeout", f"{at_this_pace(600)}ms"))
        before = self.only_process(faasd)
        slow = faasd.deploy("slow", images.misbehave("sleep-ms", str(at_this_pace(1000))))
        self.assertEqual(curl(slow).status, 200)
        self.assertIn(before, faasd.containers())
        self.assertEqual(curl(address).status, 200)
        faasd.log.wait_for("receipt", function="warm", start="warm", outcome="ok")

    def test_that_never_takes_its_connection_is_ended_at_the_deadline(self):
        faasd = self.start()
        address = self.warm(faasd, "connect-never-receive",
                            options=("--timeout", f"{at_this_pace(300)}ms"))
        self.assertEqual(curl(address).status, 504)

    def test_does_not_count_as_one_at_work(self):
        faasd = self.start()
        address = self.warm(faasd, "sleep-ms", "200", count=2, options=("--concurrency", "1"))
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(curl(address).status))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [200] * 4)
        faasd.log.wait_until(lambda: faasd.describe("warm")["live"] == 0, "some are left")

    def test_of_an_older_version_serves_nobody(self):
        faasd = self.start()
        address = self.warm(faasd, "report", count=3, options=("-e", "WHICH=old"))
        faasd.deploy("warm", images.misbehave("report"), "-e", "WHICH=new", "--warm", "3")
        for _ in range(4):
            self.assertIn("WHICH=new", json.loads(curl(address).body)["env"])
        self.wait_for_parked(faasd, "warm", 3)
        faasd.deploy("warm", images.misbehave("report"))
        self.wait_for_parked(faasd, "warm", 0)
        self.assertEqual(curl(address).status, 200)

    def test_that_died_is_as_if_it_had_not_been_there(self):
        faasd = self.start()
        address = self.warm(faasd, "answer")
        process = self.only_process(faasd)
        # It cannot take its connection, nor die before it has got it.
        os.kill(process, signal.SIGSTOP)
        with connect(address) as sock:
            sock.sendall(REQUEST)
            faasd.log.wait_until(lambda: faasd.describe("warm")["live"] == 1, "nobody serves it")
            os.kill(process, signal.SIGKILL)
            self.assertIn(b"200 OK", read_to_end(sock))
        faasd.log.wait_for("parked_instance_lost", function="warm")
        receipt = faasd.log.wait_for("receipt", function="warm")
        self.assertEqual((receipt["start"], receipt["outcome"]), ("cold", "ok"))

    def test_is_replaced_when_it_dies_unseen(self):
        faasd = self.start()
        self.warm(faasd, "answer")
        process = self.only_process(faasd)
        os.kill(process, signal.SIGKILL)
        faasd.log.wait_for("parked_instance_lost", function="warm")
        faasd.log.wait_until(lambda: faasd.containers() not in ([], [process]), "none comes")
        self.wait_for_parked(faasd, "warm", 1)
        self.assertEqual(faasd.log.find("receipt"), [])  # nobody was served

    def test_that_cannot_be_is_tried_less_and_less(self):
        faasd = self.start()
        address = faasd.deploy("warm", images.misbehave("exit-at-once", "3"), "--warm", "4")
        faasd.log.wait_until(lambda: len(faasd.log.find("parked_instance_lost")) >= 3,
                             "it is not told")
        lost = faasd.log.find("parked_instance_lost", function="warm")
        pauses = [entry["pause_ms"] for entry in lost]
        self.assertEqual(pauses, sorted(pauses))
        self.assertGreater(pauses[-1], pauses[0])
        self.assertIn("exit status 3", lost[0]["reason"])
        self.assertEqual(curl(address).status, 502)

    def test_leaves_nothing_when_its_function_is_removed_or_the_daemon_stops(self):
        faasd = self.start()
        before = faasd.footprint()
        self.warm(faasd, "answer", count=3)
        faasd.faas("rm", "warm", check=True)
        faasd.wait_for_footprint(before)
        self.warm(faasd, "answer", count=3)
        self.assertEqual(faasd.stop(), 0)

    def test_is_swept_by_the_next_daemon_and_parked_anew(self):
        faasd = self.start()
        address = self.warm(faasd, "answer", count=2)
        faasd.kill9()
        faasd = self.restart(faasd)
        self.wait_for_parked(faasd, "warm", 2)
        faasd.log.wait_until(lambda: len(faasd.containers()) == 2, "there are not two containers")
        self.assertEqual(curl(address).status, 200)
        faasd.log.wait_for("receipt", start="warm")


class Automatic(WarmTestCase):
    def test_parks_one_when_somebody_has_come_and_none_when_nobody_does(self):
        faasd = self.start()
        address = faasd.deploy("auto", images.misbehave("answer"), "--warm", "auto")
        self.assertEqual(faasd.describe("auto")["warm"], "auto")
        self.assertEqual(faasd.describe("auto")["parked"], 0)
        for _ in range(6):
            self.assertEqual(curl(address).status, 200)
            faasd.log.wait_until(lambda: faasd.describe("auto")["parked"] > 0, "none is parked")
        self.assertIn("warm", [receipt["start"] for receipt in self.receipts(faasd, 6)])
        # Its pauses are short: after some seconds nobody is expected.
        self.wait_for_parked(faasd, "auto", 0)
        faasd.log.wait_until(lambda: not faasd.containers(), "one is left")

    def test_is_an_option_like_others(self):
        faasd = self.start()
        refused = faasd.faas("new", "a", "--warm", "some", input=images.misbehave("answer"))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("a whole number from 0 to 256, or 'auto'", refused.stderr)
        refused = faasd.faas("new", "a", "--warm", "1", "--language",
                             '{"name": "a", "version": "1", "run": ["/a"]}',
                             input=images.misbehave("answer"))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("'warm' is for functions", refused.stderr)
        faasd.deploy("a", images.misbehave("answer"), "--warm", "auto")
        faasd = self.restart(faasd) if faasd.stop() == 0 else faasd
        self.assertEqual(faasd.describe("a")["warm"], "auto")


if __name__ == "__main__":
    unittest.main()
