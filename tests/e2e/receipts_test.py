"""One receipt for every connection, whatever became of it; what instances write; the metrics."""

import json
import os
import socket
import stat
import struct
import subprocess
import threading
import unittest

import images
from faasd_process import (HELLO_TAR, LAUNCHER, PATIENCE_S, FaasdTestCase, Reply, UnixConnection,
                           at_this_pace, binary, connect, curl, read_to_end)

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1 << 20
MEMBERS = {"id", "instance", "function", "version", "image", "started_at", "queue_ms", "launch_ms",
           "run_ms", "cpu_ms", "memory_peak_bytes", "bytes_in", "bytes_out", "start", "launcher",
           "outcome", "exit_code", "signal", "escapes"}


def ask(address, request=REQUEST):
    """The answer to one request, or what came of it before a reset."""
    received = b""
    with connect(address) as sock:
        try:
            sock.sendall(request)
            while part := sock.recv(1 << 16):
                received += part
        except ConnectionResetError:
            pass
    return received


class RecordsTestCase(FaasdTestCase):
    def records(self, faasd, name, place="receipts", tail=1000):
        status, _, data = faasd.api("GET", f"/v1/functions/{name}/{place}?tail={tail}")
        self.assertEqual(status, 200, data)
        return data

    def wait_for_receipts(self, faasd, name, count=1):
        found = []

        def enough():
            found[:] = self.records(faasd, name)
            return len(found) >= count
        faasd.log.wait_until(enough, lambda: f"{len(found)} receipts of {name}, not {count}")
        self.assertEqual(len(found), count, found)
        return found

    def receipt_of(self, faasd, words, *options, request=REQUEST):
        """The one receipt of a function that misbehaves so."""
        name = words[0]
        address = faasd.deploy(name, images.misbehave(*words), *options)
        ask(address, request)
        return self.wait_for_receipts(faasd, name)[0]

    def metrics(self, faasd):
        status, headers, data = faasd.api("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        samples = (line.rpartition(" ") for line in data.decode().splitlines()
                   if not line.startswith("#"))
        return {series: float(value) for series, _, value in samples}


class AReceipt(RecordsTestCase):
    def test_has_every_member_and_the_bytes_that_went_through(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        received = ask(address)
        receipt = self.wait_for_receipts(faasd, "hello")[0]
        self.assertEqual(set(receipt), MEMBERS)
        self.assertEqual((receipt["bytes_in"], receipt["bytes_out"]), (len(REQUEST), len(received)))
        self.assertEqual((receipt["outcome"], receipt["exit_code"], receipt["signal"]),
                         ("ok", 0, 0))
        self.assertEqual((receipt["function"], receipt["version"], receipt["start"],
                          receipt["launcher"], receipt["queue_ms"]),
                         ("hello", 1, "cold", LAUNCHER, 0))
        self.assertRegex(receipt["started_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreater(receipt["launch_ms"], 0)
        self.assertGreater(receipt["cpu_ms"], 0)
        self.assertGreater(receipt["memory_peak_bytes"], 0)

    def test_counts_the_bytes_of_a_long_exchange(self):
        faasd = self.start()
        address = faasd.deploy("hash", images.misbehave("hash-body"))
        body = os.urandom(3 * MIB)
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        received = ask(address, head + body)
        receipt = self.wait_for_receipts(faasd, "hash")[0]
        self.assertEqual((receipt["bytes_in"], receipt["bytes_out"]),
                         (len(head) + len(body), len(received)))

    def test_tells_how_the_handler_ended(self):
        faasd = self.start()
        receipt = self.receipt_of(faasd, ("exit-after-receive", "3"))
        self.assertEqual((receipt["outcome"], receipt["exit_code"]), ("exit", 3))
        receipt = self.receipt_of(faasd, ("killself", "11"))
        self.assertEqual((receipt["outcome"], receipt["signal"]), ("signal", 11))
        receipt = self.receipt_of(faasd, ("never-exit",), "--timeout", "300ms")
        self.assertEqual(receipt["outcome"], "timeout")
        self.assertGreater(receipt["bytes_out"], 0)  # the 504
        receipt = self.receipt_of(faasd, ("exit-at-once", "4"))
        self.assertEqual((receipt["outcome"], receipt["exit_code"]), ("launch_failed", 4))
        self.assertIn("before it took its connection", receipt["reason"])

    def test_tells_out_of_memory_at_the_launch_and_so_does_the_client_hear(self):
        faasd = self.start()
        address = faasd.deploy("eager", images.misbehave("alloc-at-once", "256"), "--memory", "32M")
        reply = curl(address)
        self.assertEqual(reply.status, 502)
        self.assertIn("out of memory", reply.json()["error"])
        receipt = self.wait_for_receipts(faasd, "eager")[0]
        self.assertEqual((receipt["outcome"], receipt["run_ms"]), ("oom", 0))

    def test_counts_no_end_of_a_client_as_a_byte(self):
        faasd = self.start()
        address = faasd.deploy("echo", images.misbehave("echo"), "--protocol", "tcp")
        with connect(address) as sock:
            sock.sendall(b"12345")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(sock), b"12345")
        receipt = self.wait_for_receipts(faasd, "echo")[0]
        self.assertEqual((receipt["bytes_in"], receipt["bytes_out"]), (5, 5))

    def test_has_the_peak_and_the_time_of_one_that_lives(self):
        faasd = self.start()
        receipt = self.receipt_of(faasd, ("alloc", "64"))
        self.assertEqual(receipt["outcome"], "ok")
        self.assertGreater(receipt["memory_peak_bytes"], 64 * MIB)
        self.assertLess(receipt["memory_peak_bytes"], 128 * MIB)
        limit_ms = at_this_pace(1000)
        receipt = self.receipt_of(faasd, ("spin",), "--timeout", f"{limit_ms}ms")
        # Others work on the processors too: it gets a part of its time.
        self.assertGreater(receipt["cpu_ms"], limit_ms * 0.1)

    def test_is_there_for_those_that_were_refused_or_left_the_queue(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1", "--queue", "1")
        with connect(address) as running:
            faasd.log.wait_until(lambda: faasd.describe("hello")["live"] == 1, "not live")
            with connect(address) as waiting:
                faasd.log.wait_until(lambda: faasd.describe("hello")["queued"] == 1, "not queued")
                refused = curl(address)
                self.assertEqual(refused.status, 503)
                # Leaves for good: one that only ended its side might still read.
                waiting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            left = self.wait_for_receipts(faasd, "hello", 2)[1]
            self.assertEqual(left["outcome"], "refused")
            self.assertIn("client left", left["reason"])
            self.assertGreater(left["queue_ms"], 0)
            running.sendall(REQUEST)
            read_to_end(running)
        receipts = self.wait_for_receipts(faasd, "hello", 3)
        self.assertEqual([receipt["outcome"] for receipt in receipts], ["refused", "refused", "ok"])
        self.assertEqual(receipts[0]["bytes_out"], len(refused.raw))
        self.assertEqual(receipts[0]["instance"], "")
        self.assertEqual(faasd.describe("hello")["invocations"], 3)

    def test_says_so_if_no_container_could_be_made(self):
        faasd = self.start("--launcher", "/bin/false")
        address = faasd.deploy("hello")
        reply = curl(address)
        self.assertEqual(reply.status, 502)
        receipt = self.wait_for_receipts(faasd, "hello")[0]
        self.assertEqual((receipt["outcome"], receipt["bytes_out"]),
                         ("launch_failed", len(reply.raw)))
        self.assertIn("exit status 1", receipt["reason"])

    def test_outlives_a_restart_and_kill_9_and_not_its_function(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        curl(address)
        self.wait_for_receipts(faasd, "hello")
        self.assertEqual(faasd.stop(), 0)
        faasd = self.restart(faasd)
        curl(address)
        before = self.wait_for_receipts(faasd, "hello", 2)
        faasd.kill9()
        kept = os.path.join(faasd.state_dir, "journal", "hello", "receipts.jsonl")
        self.assertEqual(stat.S_IMODE(os.stat(kept).st_mode), 0o600)
        with open(kept, "a", encoding="utf-8") as file:
            file.write('{"id":3,"outcome":"torn')
        faasd = self.restart(faasd)
        self.assertEqual(self.records(faasd, "hello"), before)
        curl(address)
        self.assertEqual([receipt["id"] for receipt in self.wait_for_receipts(faasd, "hello", 3)],
                         [1, 2, 3])
        faasd.faas("rm", "hello", check=True)
        self.assertEqual(faasd.api("GET", "/v1/functions/hello/receipts")[0], 404)
        self.assertEqual(os.listdir(os.path.join(faasd.state_dir, "journal")), [])
        faasd.deploy("hello")
        self.assertEqual(self.records(faasd, "hello"), [])

    def test_is_written_before_the_daemon_ends(self):
        faasd = self.start()
        address = faasd.deploy("slow", images.misbehave("sleep-ms", "300"))
        with connect(address) as sock:
            sock.sendall(REQUEST)
            faasd.log.wait_until(lambda: faasd.describe("slow")["live"] == 1, "not live")
            faasd.terminate()
            self.assertEqual(Reply(read_to_end(sock)).status, 200)
        self.assertEqual(faasd.wait_exit(), 0)
        faasd = self.restart(faasd)
        self.assertEqual([receipt["outcome"] for receipt in self.records(faasd, "slow")], ["ok"])


class Output(RecordsTestCase):
    def test_of_instances_is_in_the_functions_log_and_not_in_the_daemons(self):
        faasd = self.start()
        address = faasd.deploy("chatty", images.misbehave("stderr-lines", "3"))
        reply = curl(address)
        self.assertEqual(reply.status, 200)
        receipt = self.wait_for_receipts(faasd, "chatty")[0]
        lines = self.records(faasd, "chatty", "logs")
        self.assertEqual(len(lines), 3, lines)
        self.assertEqual({(line["instance"], line["stream"]) for line in lines},
                         {(receipt["instance"], "stderr")})
        shown = faasd.faas("logs", "chatty", "--tail", "2", check=True).stdout.splitlines()
        self.assertEqual(len(shown), 2)
        self.assertIn(receipt["instance"][:8], shown[0])
        self.assertTrue(shown[1].endswith(lines[2]["text"]))
        self.assertEqual(faasd.log.find("output"), [])


class AFollower(RecordsTestCase):
    def test_over_http_hears_receipts_as_they_come_until_the_function_is_removed(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        curl(address)
        self.wait_for_receipts(faasd, "hello")
        connection = UnixConnection(faasd.socket)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/functions/hello/receipts?follow=1")
        answer = connection.getresponse()
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        self.assertEqual(self.next_event(answer)["id"], 1)
        curl(address)
        event = self.next_event(answer)
        self.assertEqual((event["id"], event["outcome"]), (2, "ok"))
        remover = threading.Thread(target=faasd.faas, args=("rm", "hello"))
        remover.start()
        self.assertEqual(answer.read().strip(), b"event: end\ndata: removed")
        remover.join()

    def next_event(self, answer):
        while line := answer.readline():
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        raise AssertionError("the stream ended")

    def test_on_the_command_line_sees_output_as_it_comes_and_ends_with_the_daemon(self):
        faasd = self.start()
        address = faasd.deploy("chatty", images.misbehave("stderr-lines", "2"))
        curl(address)
        self.wait_for_receipts(faasd, "chatty")
        with subprocess.Popen([binary("faas"), "--socket", faasd.socket, "logs", "-f", "chatty"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for _ in range(2):
                self.assertTrue(process.stdout.readline())
            curl(address)
            for _ in range(2):
                self.assertTrue(process.stdout.readline())
            self.assertEqual(faasd.stop(), 0)
            _, err = process.communicate(timeout=PATIENCE_S)
            self.assertEqual(process.returncode, 0, err)
            self.assertIn(b"the daemon stops", err)


class Metrics(RecordsTestCase):
    def test_count_what_the_receipts_say(self):
        faasd = self.start()
        good = faasd.deploy("hello")
        bad = faasd.deploy("bad", images.misbehave("exit-after-receive", "3"))
        for address in (good, good, bad):
            ask(address)
        self.wait_for_receipts(faasd, "hello", 2)
        self.wait_for_receipts(faasd, "bad")
        metrics = self.metrics(faasd)
        self.assertEqual(metrics['faasd_invocations_total{function="hello",outcome="ok"}'], 2)
        self.assertEqual(metrics['faasd_invocations_total{function="bad",outcome="exit"}'], 1)
        for kind in ("queue", "launch", "run"):
            self.assertEqual(metrics[f'faasd_{kind}_seconds_count{{function="hello"}}'], 2)
            self.assertEqual(
                metrics[f'faasd_{kind}_seconds_bucket{{function="hello",le="+Inf"}}'], 2)
        self.assertEqual(metrics['faasd_escapes_total{function="hello"}'], 0)
        self.assertEqual(metrics["faasd_functions"], 2)
        faasd.faas("rm", "bad", check=True)
        self.assertFalse([series for series in self.metrics(faasd) if '"bad"' in series])

    def test_show_what_runs_and_waits_now(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR, "--concurrency", "1")
        with connect(address) as running, connect(address) as waiting:
            faasd.log.wait_until(lambda: faasd.describe("hello")["queued"] == 1, "not queued")
            metrics = self.metrics(faasd)
            self.assertEqual(metrics['faasd_instances_live{function="hello"}'], 1)
            self.assertEqual(metrics['faasd_connections_queued{function="hello"}'], 1)
            for sock in (running, waiting):
                sock.sendall(REQUEST)
                self.assertEqual(Reply(read_to_end(sock)).status, 200)

    def test_and_records_are_for_those_who_may_use_the_api(self):
        faasd = self.start()
        faasd.deploy("hello")
        for path in ("/metrics", "/v1/functions/hello/logs", "/v1/functions/hello/receipts"):
            connection = socket.create_connection(faasd.listen.rsplit(":", 1), PATIENCE_S)
            with connection:
                head = f"GET {path} HTTP/1.1\r\nHost: attacker.example\r\n\r\n"
                connection.sendall(head.encode())
                self.assertEqual(Reply(read_to_end(connection)).status, 403, path)


if __name__ == "__main__":
    unittest.main()
