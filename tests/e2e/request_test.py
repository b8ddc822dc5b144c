"""One connection, one container: what it is from inside, how many there may be, how long they may
take."""

import json
import os
import threading
import time
import unittest

import images
from faasd_process import (HELLO_TAR, PATIENCE_S, FaasdTestCase, Reply, at_this_pace, connect,
                           curl, read_to_end)
from image_tar import directory

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1 << 20


class AContainerFromInside(FaasdTestCase):
    def report(self, *options, entries=(), **config):
        faasd = self.start()
        address = faasd.deploy("report", images.misbehave("report", entries=entries, **config),
                               *options)
        return curl(address).json()

    def test_has_the_images_environment_and_the_functions_on_top_and_none_of_ours(self):
        report = self.report("-e", "COLOUR=blue", "-e", "EMPTY=",
                             Env=["COLOUR=red", "SHAPE=round", "PATH=/nowhere"])
        env = dict(entry.split("=", 1) for entry in report["env"])
        self.assertEqual(env.pop("HOME"), "/")
        self.assertEqual(env, {"COLOUR": "blue", "EMPTY": "", "SHAPE": "round",
                               "PATH": "/nowhere"})

    def test_honours_entrypoint_cmd_working_dir_and_user(self):
        report = self.report(Cmd=["one", "two words"], WorkingDir="/srv", User="1234:5678",
                             entries=[directory("srv")])
        self.assertEqual(report["argv"], ["/misbehave", "report", "one", "two words"])
        self.assertEqual(report["cwd"], "/srv")
        self.assertEqual((report["uid"], report["gid"], report["groups"]), (1234, 5678, []))

    def test_runs_a_cmd_without_an_entrypoint(self):
        report = self.report(Entrypoint=None, Cmd=["/misbehave", "report"])
        self.assertEqual(report["argv"], ["/misbehave", "report"])

    def test_is_in_a_cgroup_of_its_daemon_in_every_hierarchy(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        with connect(address) as held:
            faasd.log.wait_until(lambda: faasd.describe("hello")["live"] == 1, "not running")
            held.sendall(b"G")
            faasd.log.wait_until(lambda: faasd.cgroups(), "no cgroup of the name that tests expect")


class Concurrency(FaasdTestCase):
    """hello waits for its client's request: a connection that says nothing holds its instance."""

    def counts(self, faasd, name="hello"):
        described = faasd.describe(name)
        return described["live"], described["queued"]

    def wait_for_counts(self, faasd, live, queued):
        faasd.log.wait_until(lambda: self.counts(faasd) == (live, queued),
                             f"not {live} live and {queued} queued")

    def test_runs_as_many_at_once_as_it_may(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "4")
        before = faasd.idle_footprint()
        held = [connect(address) for _ in range(4)]
        self.wait_for_counts(faasd, 4, 0)
        for sock in reversed(held):  # in any order: they do not wait for each other
            sock.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(sock)).status, 200)
            sock.close()
        faasd.wait_for_footprint(before)

    def test_beyond_the_limit_waits_in_the_queue_and_is_served_in_turn(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1", "--queue", "2")
        first, second, third = (connect(address) for _ in range(3))
        self.wait_for_counts(faasd, 1, 2)
        for sock, left in ((first, 1), (second, 0)):
            sock.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(sock)).status, 200)
            sock.close()
            self.wait_for_counts(faasd, 1, left)
        third.sendall(REQUEST)
        self.assertEqual(Reply(read_to_end(third)).status, 200)
        third.close()

    def test_beyond_the_queue_is_a_503_with_a_time_to_come_back(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1", "--queue", "1")
        with connect(address) as running, connect(address) as waiting:
            self.wait_for_counts(faasd, 1, 1)
            reply = curl(address)
            self.assertEqual(reply.status, 503, reply)
            self.assertEqual(reply.json()["code"], "no_capacity")
            self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
            self.assertEqual(reply.headers["connection"], "close")
            for sock in (running, waiting):
                sock.sendall(REQUEST)
                self.assertEqual(Reply(read_to_end(sock)).status, 200)
        faasd.log.wait_for("receipt", outcome="refused")

    def test_too_long_in_the_queue_is_a_503(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1", "--queue-timeout", "200ms")
        with connect(address) as running:
            self.wait_for_counts(faasd, 1, 0)
            reply = curl(address)
            self.assertEqual((reply.status, reply.json()["code"]), (503, "queue_timeout"))
            self.assertIn("retry-after", reply.headers)
            running.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(running)).status, 200)

    def test_a_client_that_leaves_the_queue_costs_no_container(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1")
        with connect(address) as running:
            self.wait_for_counts(faasd, 1, 0)
            connect(address).close()
            self.wait_for_counts(faasd, 1, 0)
            running.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(running)).status, 200)

    def test_of_one_function_is_no_matter_for_another(self):
        faasd = self.start()
        full = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1", "--queue", "0")
        other = faasd.deploy("other")
        with connect(full):
            self.wait_for_counts(faasd, 1, 0)
            self.assertEqual(curl(full).status, 503)
            self.assertEqual(curl(other).status, 200)

    def test_of_64_at_once_answers_all(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--queue-timeout", f"{PATIENCE_S}s")
        before = faasd.idle_footprint()
        replies = []

        def ask():
            replies.append(curl(address, timeout_s=2 * PATIENCE_S).status)
        threads = [threading.Thread(target=ask) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [200] * 64)
        faasd.wait_for_footprint(before)


class ADeadline(FaasdTestCase):
    def test_after_a_byte_was_sent_just_ends_the_connection(self):
        faasd = self.start()
        address = faasd.deploy("slow", images.misbehave("partial-then-hang"), "--timeout",
                               f"{at_this_pace(500)}ms")
        before = faasd.idle_footprint()
        with connect(address) as sock:
            sock.sendall(REQUEST)
            data = b""
            try:
                while part := sock.recv(4096):
                    data += part
            except ConnectionResetError:
                pass
        self.assertEqual(data, b"H")
        faasd.log.wait_for("receipt", outcome="timeout")
        faasd.wait_for_footprint(before)

    def test_is_not_shortened_by_the_time_in_the_queue(self):
        faasd = self.start()
        address = faasd.deploy("hello", images.misbehave("sleep-ms", "600"), "--timeout", "5s",
                               "--concurrency", "1")
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(curl(address).status))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [200, 200, 200])


class TheBytes(FaasdTestCase):
    def test_are_the_clients_and_the_handlers_alone(self):
        faasd = self.start()
        address = faasd.deploy("echo", images.misbehave("echo"), "--protocol", "tcp")
        data = os.urandom(4 * MIB)
        with connect(address) as sock:
            sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(1)))
            sender.start()
            back = read_to_end(sock)
            sender.join()
        self.assertEqual(back == data, True, f"{len(back)} of {len(data)} bytes came back")

    def test_of_a_slow_answer_come_as_they_are_sent(self):
        faasd = self.start()
        address = faasd.deploy("slow", images.misbehave("slow-reply", "10"))
        with connect(address) as sock:
            sock.sendall(REQUEST)
            started = time.monotonic()
            first = sock.recv(1)
            first_after = time.monotonic() - started
            rest = read_to_end(sock)
            whole_after = time.monotonic() - started
        self.assertEqual(Reply(first + rest).body, b"slow\n")
        self.assertLess(first_after, whole_after)

    def test_that_a_client_leaves_early_costs_nothing_for_good(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        curl(address)
        before = faasd.idle_footprint()
        for _ in range(5):
            connect(address).close()
        faasd.wait_for_footprint(before)
        self.assertEqual(curl(address).status, 200)


class AReceipt(FaasdTestCase):
    def test_is_in_the_log_once_for_every_connection(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        for _ in range(3):
            self.assertEqual(curl(address).status, 200)
        faasd.log.wait_until(lambda: len(faasd.log.find("receipt")) == 3, "not three receipts")
        receipts = faasd.log.find("receipt", function="hello", outcome="ok", start="cold")
        self.assertEqual(len({receipt["instance"] for receipt in receipts}), 3)
        self.assertEqual(faasd.describe("hello")["invocations"], 3)
        self.assertEqual(json.dumps(receipts).count("sha256:"), 3)


if __name__ == "__main__":
    unittest.main()
