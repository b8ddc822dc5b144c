"""Uploads of the real `faas`: how they go over the wire, what becomes of a refusal on the way, and
what a terminal shows. FAAS names the binary."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import (DEADLINE_SECONDS, FAAS, FUNCTION, MIB, CliTest, environment,  # noqa: E402
                      faas, start)
from fake_daemon import FakeDaemon  # noqa: E402


def accept_deploy(request):
    request.read_body()
    request.answer(200, FUNCTION)


def read_until(fd, pattern):
    """Everything that comes from a terminal until it matches."""
    seen = b""
    while not re.search(pattern, seen):
        if not select.select([fd], [], [], DEADLINE_SECONDS)[0]:
            raise AssertionError(f"{pattern} did not come; seen: {seen}")
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the other side has closed the terminal
            piece = b""
        if not piece:
            raise AssertionError(f"{pattern} did not come before the end; seen: {seen}")
        seen += piece
    return seen


class Deploying(CliTest):
    def test_only_the_given_options_are_sent(self):
        daemon = self.daemon(PUT=accept_deploy)
        self.check(faas("new", "hello", "-f", self.tarball(MIB), *daemon.flags), 0)
        self.assertEqual(daemon.last("PUT").target, "/v1/functions/hello")

    def test_every_option_is_sent_encoded(self):
        daemon = self.daemon(PUT=accept_deploy)
        self.check(faas("new", "hello", "-f", self.tarball(MIB), "--memory", "1G", "--cpus", "0.5",
                        "--pids", "9", "--timeout", "5s", "--concurrency", "2", "--queue", "3",
                        "--queue-timeout", "1s", "--tmpfs", "8M", "-e", "A=1 & 2", "--env", "B=é+",
                        "--open-files", "64", "--file-size", "1M", "--output", "4K",
                        "--warm", "1", "--launcher", "/usr/bin/crun", "--mode", "ephemeral",
                        "--protocol", "tcp", *daemon.flags), 0)
        target = daemon.last("PUT").target
        self.assertTrue(target.isascii())
        self.assertEqual(parse_qs(urlsplit(target).query), {
            "memory": ["1G"], "cpus": ["0.5"], "pids": ["9"], "timeout": ["5s"],
            "concurrency": ["2"], "queue": ["3"], "queue_timeout": ["1s"], "tmpfs": ["8M"],
            "open_files": ["64"], "file_size": ["1M"], "output": ["4K"],
            "env": ["A=1 & 2", "B=é+"], "warm": ["1"], "launcher": ["/usr/bin/crun"],
            "mode": ["ephemeral"], "protocol": ["tcp"]})

    def test_an_env_flag_does_not_eat_the_name(self):
        daemon = self.daemon(PUT=accept_deploy)
        self.check(faas("new", "-e", "A=1", "hello", "-f", self.tarball(MIB), *daemon.flags), 0)
        self.assertEqual(daemon.last("PUT").target, "/v1/functions/hello?env=A%3D1")

    def test_a_file_goes_with_its_length_and_a_pipe_in_chunks(self):
        daemon = self.daemon(PUT=accept_deploy)
        path = self.tarball(3 * MIB + 17)
        self.check(faas("new", "hello", "-f", path, *daemon.flags), 0)
        self.check(faas("new", "hello", input=b"x" * (3 * MIB + 17), *daemon.flags), 0)
        with open(path, "rb") as file:
            file.seek(MIB)
            self.check(faas("new", "hello", stdin=file, *daemon.flags), 0)
        by_file, by_pipe, by_stdin = [r for r in daemon.requests if r.method == "PUT"]
        self.assertEqual(by_file.headers["content-length"], str(3 * MIB + 17))
        self.assertEqual(by_pipe.headers["transfer-encoding"], "chunked")
        self.assertNotIn("content-length", by_pipe.headers)
        self.assertEqual(by_stdin.headers["content-length"], str(2 * MIB + 17))
        for request in (by_file, by_pipe):
            self.assertTrue(request.body_complete)
            self.assertEqual(request.body_bytes, 3 * MIB + 17)

    def test_the_result_is_one_line_without_a_terminal(self):
        daemon = self.daemon(tcp=True, PUT=accept_deploy)
        result = faas("new", "hello", "-f", self.tarball(MIB), *daemon.flags)
        self.assertEqual(result.stdout, b"hello is at 127.77.0.10, version 3\n")
        self.assertEqual(result.stderr, b"")
        result = faas("new", "hello", "-f", self.tarball(MIB), "--json", *daemon.flags)
        self.assertEqual(json.loads(result.stdout), FUNCTION)

    def test_an_empty_input_asks_nothing_of_the_daemon_but_the_first_question(self):
        daemon = self.daemon(PUT=accept_deploy)
        self.check(faas("new", "hello", input=b"", *daemon.flags), 2, "stdin is empty")
        self.check(faas("new", "hello", "-f", self.tarball(0), *daemon.flags), 2, "is empty")
        self.assertEqual({request.method for request in daemon.requests}, {"GET"})

    def test_a_closed_stdin_is_a_usage_error(self):
        result = subprocess.run(["sh", "-c", 'exec "$0" new x --socket /nonexistent <&-', FAAS],
                                env=environment(), capture_output=True, timeout=DEADLINE_SECONDS,
                                check=False)
        self.check(result, 2, "stdin")

    def test_the_memory_of_faas_does_not_grow_with_the_upload(self):
        high_water = []
        processes = []

        def measure(request):
            request.read_body()
            with open(f"/proc/{processes[-1].pid}/status", encoding="ascii") as status:
                high_water.append(int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)))
            request.answer(200, FUNCTION)

        daemon = self.daemon(PUT=measure)
        for size in (1, 256):
            process = start("new", "hello", *daemon.flags, stdin=subprocess.PIPE)
            processes.append(process)
            block = bytes(MIB)
            for _ in range(size):
                process.stdin.write(block)
            process.communicate(timeout=DEADLINE_SECONDS)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(daemon.last("PUT").body_bytes, size * MIB)
        self.assertLess(high_water[1] - high_water[0], 4096, "KiB more for 255 MiB more")

    def test_an_interrupt_exits_130_and_the_daemon_sees_no_end(self):
        started = threading.Event()
        ended = threading.Event()

        def receive(request):
            request.read_some(1)
            started.set()
            request.read_body()
            ended.set()

        daemon = self.daemon(PUT=receive)
        process = start("new", "hello", *daemon.flags, stdin=subprocess.PIPE)
        process.stdin.write(b"x" * 100)
        process.stdin.flush()
        self.assertTrue(started.wait(DEADLINE_SECONDS))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE_SECONDS), 130)
        self.assertEqual(process.communicate()[1], b"faas: interrupted; nothing was deployed\n")
        self.assertTrue(ended.wait(DEADLINE_SECONDS))
        self.assertFalse(daemon.last("PUT").body_complete)

    def test_an_interrupt_after_the_end_of_the_upload_promises_nothing(self):
        sent = threading.Event()
        gone = threading.Event()

        def receive(request):
            request.read_body()
            sent.set()
            gone.wait(DEADLINE_SECONDS)

        daemon = self.daemon(PUT=receive)
        file = ["-f", self.tarball(MIB)]
        for words in ([], file):
            sent.clear()
            read_end, write_end = os.pipe()
            os.write(write_end, b"x" * 100)
            os.close(write_end)
            process = start("new", "hello", *words, *daemon.flags, stdin=read_end)
            os.close(read_end)
            self.assertTrue(sent.wait(DEADLINE_SECONDS))
            process.send_signal(signal.SIGINT)
            stderr = process.communicate(timeout=DEADLINE_SECONDS)[1]
            self.assertEqual(process.returncode, 130)
            self.assertIn(b"it may be deployed: see faas list", stderr)
        gone.set()

    def test_a_file_that_shrinks_is_not_sent_as_a_whole_one(self):
        path = self.tarball(64 * MIB)

        def shrink(request):
            os.truncate(path, MIB)
            request.read_body()

        daemon = self.daemon(PUT=shrink)
        self.check(faas("new", "hello", "-f", path, *daemon.flags), 2, "got shorter")
        self.assertFalse(daemon.last("PUT").body_complete)


class Refusing(CliTest):
    def test_a_refusal_before_the_tarball_is_touched(self):
        daemon = self.daemon(GET=lambda request: request.refuse(403, "forbidden", "not you"))
        read_end, write_end = os.pipe()
        result = faas("new", "hello", stdin=read_end, *daemon.flags)
        os.close(read_end)
        os.close(write_end)
        self.check(result, 1, "not you")

    def test_a_refusal_while_50_megabytes_come_is_heard(self):
        refusals = [(400, "bad_option", "memory: 'x' is no size"), (401, "unauthorized", "token?"),
                    (403, "forbidden", "not you"), (507, "exhausted", "the disk is full")]
        for tcp in (False, True):
            for status, code, error in refusals:
                for read_first in (0, 5 * MIB):
                    with self.subTest(tcp=tcp, status=status, read_first=read_first):
                        self.refuse_upload(tcp, status, code, error, read_first)

    def refuse_upload(self, tcp, status, code, error, read_first):
        def refuse(request):
            # Closed with most of the body unread: the kernel resets the connection.
            if "content-length" in request.headers:
                request._take(read_first)
            else:
                request.read_some(read_first)
            request.refuse(status, code, error)

        with tempfile.TemporaryDirectory() as directory:
            with FakeDaemon(None if tcp else directory, PUT=refuse) as daemon:
                result = faas("new", "hello", "-f", self.tarball(50 * MIB), *daemon.flags)
                self.check(result, 1, error)
                self.assertNotIn(b"ipe", result.stderr)
                result = faas("new", "hello", input=bytes(50 * MIB), *daemon.flags)
                self.check(result, 1, error)

    def test_a_refusal_is_heard_while_the_input_is_silent(self):
        daemon = self.daemon(PUT=lambda request: request.refuse(400, "bad_option", "no such mode"))
        process = start("new", "hello", *daemon.flags, stdin=subprocess.PIPE)
        process.stdin.write(b"x")
        process.stdin.flush()
        self.assertEqual(process.wait(DEADLINE_SECONDS), 1)  # with stdin still open
        self.assertIn(b"no such mode", process.communicate()[1])

    def test_a_refusal_after_the_whole_body_is_heard(self):
        def refuse(request):
            request.read_body()
            request.refuse(400, "bad_archive", "this is no tar archive")

        daemon = self.daemon(PUT=refuse)
        self.check(faas("new", "hello", input=b"junk", *daemon.flags), 1, "this is no tar archive")

    def test_an_error_page_of_a_proxy_is_still_a_refusal(self):
        daemon = self.daemon(PUT=lambda request: request.answer(502, b"<html>", "text/html"))
        self.check(faas("new", "hello", input=b"x", *daemon.flags), 1, "HTTP status 502")

    def test_a_daemon_that_dies_during_the_upload_is_no_daemon(self):
        daemon = self.daemon(PUT=lambda request: request.read_some(1))
        result = faas("new", "hello", input=bytes(50 * MIB), *daemon.flags)
        self.check(result, 3, "hung up during the upload")


class Progress(CliTest):
    def terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        return master, slave

    def test_a_terminal_shows_bytes_then_percent_then_unpacking_then_the_hint(self):
        unpacked = threading.Event()

        def deploy(request):
            request.read_body()
            unpacked.wait(DEADLINE_SECONDS)
            request.answer(200, FUNCTION)

        daemon = self.daemon(PUT=deploy)
        master, slave = self.terminal()
        process = start("new", "hello", "-f", self.tarball(2 * MIB), *daemon.flags, stderr=slave)
        os.close(slave)
        seen = read_until(master, rb"unpacking  2 MiB sent")
        self.assertRegex(seen, rb"uploading  \[.*\] +\d+%  .* / 2 MiB")
        unpacked.set()
        seen = read_until(master, rb"curl http://127\.77\.0\.10/")
        self.assertIn(b"\r\x1b[K", seen)  # the bar has left
        self.assertEqual(process.communicate(timeout=DEADLINE_SECONDS)[0],
                         b"hello is at 127.77.0.10, version 3\n")

    def test_a_pipe_shows_bytes_and_rate_without_percent(self):
        daemon = self.daemon(PUT=accept_deploy)
        master, slave = self.terminal()
        process = start("new", "hello", *daemon.flags, stdin=subprocess.PIPE, stderr=slave)
        os.close(slave)
        read_until(master, rb"waiting for the tarball")
        process.stdin.write(bytes(3 * MIB))
        process.stdin.flush()
        seen = read_until(master, rb"uploading  3 MiB  [\d.]+ .iB/s")  # redrawn while it waits
        self.assertNotIn(b"%", seen)
        process.stdin.close()
        read_until(master, rb"curl")
        self.assertEqual(process.wait(DEADLINE_SECONDS), 0)
        process.stdout.close()

    def test_a_refusal_leaves_the_terminal_with_one_line(self):
        daemon = self.daemon(PUT=lambda request: request.refuse(400, "bad", "no such mode"))
        master, slave = self.terminal()
        process = start("new", "hello", "-f", self.tarball(MIB), *daemon.flags, stderr=slave)
        os.close(slave)
        read_until(master, rb"\r\x1b\[Kfaas: no such mode\r\n")
        self.assertEqual(process.wait(DEADLINE_SECONDS), 1)
        process.stdout.close()

    def test_no_bar_without_a_terminal(self):
        daemon = self.daemon(PUT=accept_deploy)
        result = faas("new", "hello", input=bytes(8 * MIB), *daemon.flags)
        self.assertEqual(result.stderr, b"")


if __name__ == "__main__":
    unittest.main()
