"""The real `faas` against a server of the test's own: receipts and logs, as they are and as they
come."""

import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import DEADLINE_SECONDS, CliTest, faas, start  # noqa: E402

RECEIPT = {"id": 7, "instance": "0123456789abcdef", "function": "hello", "version": 3,
           "started_at": "2026-01-31T12:00:00.000Z", "queue_ms": 0.0, "launch_ms": 31.25,
           "run_ms": 1.5, "cpu_ms": None, "memory_peak_bytes": None, "bytes_in": 78,
           "bytes_out": 2048, "start": "cold", "outcome": "ok", "exit_code": 0, "signal": 0,
           "escapes": 0}
LINE = {"id": 1, "time": "2026-01-31T12:00:00.000Z", "instance": "0123456789abcdef",
        "stream": "stdout", "text": "one\u001b[2J"}


def event(record):
    return f"id: {record['id']}\ndata: {json.dumps(record)}\n\n".encode()


def begin_events(request):
    request.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               b"Connection: close\r\n\r\n")


class Records(CliTest):
    def test_are_lines_under_a_title(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, [RECEIPT, RECEIPT]))
        result = faas("receipts", "hello", "--tail", "2", *daemon.flags)
        self.check(result, 0)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[0].split()[:4], ["TIME", "INSTANCE", "VERSION", "OUTCOME"])
        self.assertEqual(lines[1].split()[:4], [RECEIPT["started_at"], "01234567", "3", "ok"])
        self.assertEqual(daemon.last("GET").target, "/v1/functions/hello/receipts?tail=2")

    def test_in_json_are_one_object_a_line(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, [RECEIPT, RECEIPT]))
        result = faas("receipts", "hello", "--json", *daemon.flags)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], [RECEIPT] * 2)
        self.assertEqual(daemon.last("GET").target, "/v1/functions/hello/receipts?tail=100")

    def test_of_output_show_no_control_characters(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, [LINE]))
        result = faas("logs", "hello", *daemon.flags)
        self.assertEqual(result.stdout.decode(), f"{LINE['time']}  01234567  one\\x1b[2J\n")
        self.assertEqual(daemon.last("GET").target, "/v1/functions/hello/logs?tail=100")

    def test_of_an_unknown_function_are_exit_1(self):
        for words in (["receipts", "nope"], ["logs", "nope", "-f"]):
            self.check(faas(*words, *self.daemon().flags), 1, "no function has this name")
            os.unlink(os.path.join(self.directory, "faasd.sock"))

    def test_from_another_program_are_exit_3(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, {"not": "ours"}))
        self.check(faas("receipts", "hello", *daemon.flags), 3, "not as faasd does")

    def test_options_are_checked(self):
        for words in (["receipts"], ["logs", "a", "b"], ["logs", "a", "--tail", "-1"],
                      ["receipts", "a", "--tail", "many"], ["receipts", "../a"]):
            self.check(faas(*words), 2, "faas: ")


class Followed(CliTest):
    def test_come_one_by_one_until_the_daemon_ends_it(self):
        seen = threading.Event()

        def answer(request):
            begin_events(request)
            request.connection.sendall(event(LINE) + b":\n\nevent: missed\ndata: 5\n\n")
            self.assertTrue(seen.wait(DEADLINE_SECONDS))
            request.connection.sendall(event({**LINE, "id": 2, "text": "two"})
                                       + b"event: end\ndata: removed\n\n")
        daemon = self.daemon(GET=answer)
        process = start("logs", "hello", "--follow", "--tail", "5", *daemon.flags)
        self.assertTrue(process.stdout.readline().endswith(b"  one\\x1b[2J\n"))
        seen.set()
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
        self.assertTrue(out.endswith(b"  two\n"))
        self.assertIn(b"5 records were missed", err)
        self.assertIn(b"the function was removed", err)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(daemon.last("GET").target, "/v1/functions/hello/logs?tail=5&follow=1")

    def test_by_a_daemon_that_goes_away_are_exit_3(self):
        def answer(request):
            begin_events(request)
            request.connection.sendall(event(LINE))
        daemon = self.daemon(GET=answer)
        self.check(faas("logs", "hello", "-f", *daemon.flags), 3, "went away")

    def test_end_with_130_at_an_interrupt(self):
        over = threading.Event()

        def answer(request):
            begin_events(request)
            request.connection.sendall(event(RECEIPT))
            over.wait(DEADLINE_SECONDS)
        daemon = self.daemon(GET=answer)
        process = start("receipts", "hello", "-f", "--json", *daemon.flags)
        self.assertEqual(json.loads(process.stdout.readline()), RECEIPT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_SECONDS)
        over.set()
        self.assertEqual(process.returncode, 130)


if __name__ == "__main__":
    unittest.main()
