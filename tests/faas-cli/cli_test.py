"""The real `faas` against a server of the test's own: what goes over the wire, what is printed, and
the exit code. FAAS names the binary."""

import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_daemon import FakeDaemon  # noqa: E402

FAAS = os.environ.get("FAAS", "faas")
# Far more than anything here takes; only a hang reaches it.
DEADLINE_SECONDS = 60
MIB = 1 << 20

FUNCTION = {
    "name": "hello", "ip": "127.77.0.10", "port": 80, "version": 3,
    "image": "sha256:0123456789abcdef" + "0" * 48, "rootfs": "/var/lib/faasd/images/01/rootfs",
    "cmd": ["/hello", "a b"], "mode": "ephemeral", "launcher": "runc", "protocol": "http",
    "warm": 0, "created_at": "2025-01-01T00:00:00Z", "env": ["A=1"],
    "limits": {"memory_bytes": 268435456, "cpus": 1.0, "pids": 128, "timeout_ms": 30000,
               "concurrency": 64, "queue": 256, "queue_timeout_ms": 10000,
               "tmpfs_bytes": 67108864},
    "live": 1, "parked": 2, "queued": 3, "invocations": 42,
    "config": {"entrypoint": ["/hello"], "cmd": ["a b"], "env": ["PATH=/bin"], "working_dir": "/",
               "user": "", "architecture": "amd64", "os": "linux",
               "labels": {"evil": "\u001b[2Jgone\u0007"}},
}


def environment(**extra):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAAS")}
    return {**kept, "TERM": "xterm", **extra}


def faas(*arguments, env=None, **options):
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([FAAS, *arguments], env=env or environment(), timeout=DEADLINE_SECONDS,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def start(*arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([FAAS, *arguments], env=environment(), **options)


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


class CliTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def daemon(self, tcp=False, **handlers):
        daemon = FakeDaemon(None if tcp else self.directory, **handlers)
        self.enterContext(daemon)
        return daemon

    def enterContext(self, context):  # unittest has it from Python 3.11 on
        result = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return result

    def check(self, result, code, stderr=""):
        self.assertEqual(result.returncode, code, result)
        self.assertIn(stderr, result.stderr.decode())

    def tarball(self, size):
        path = os.path.join(self.directory, "image.tar")
        with open(path, "wb") as file:
            file.truncate(size)
        return path


class Usage(CliTest):
    def test_wrong_words_are_usage_errors(self):
        table = [[], ["bogus"], ["list", "--bogus"], ["ip"], ["rm"], ["describe", "a", "b"],
                 ["describe", ""], ["rm", "a", ""], ["new"], ["new", "", "-f", "/dev/null"],
                 ["list", "--url", "https://x"], ["list", "--url", "ftp://x"],
                 ["list", "--url", "http://x:0"], ["list", "--url", "http://a", "--socket", "/b"],
                 ["list", "--socket", "/" + "x" * 200], ["list", "--token", "a\r\nX-Evil: 1"],
                 ["new", "x", "-f", "/nonexistent/file"], ["new", "x", "-f", "/"]]
        for words in table:
            with self.subTest(words=words):
                self.check(faas(*words), 2, "faas: ")

    def test_help_and_version_need_no_daemon(self):
        self.assertIn(b"describe", faas("--help").stdout)
        self.assertIn(b"--queue-timeout", faas("new", "--help").stdout)
        self.assertRegex(faas("--version").stdout, rb"^faas \d+\.\d+\.\d+\n$")
        self.assertNotIn(b"__names", faas("--help").stdout)

    def test_a_terminal_as_stdin_is_refused_with_the_command_to_type(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        result = faas("new", "hello", stdin=slave)
        os.close(slave)
        self.check(result, 2, "docker save IMAGE | faas new hello")


class NoDaemon(CliTest):
    def test_a_missing_socket_is_named(self):
        for verb in (["list"], ["ip", "x"], ["describe", "x"], ["rm", "x"], ["version"]):
            path = os.path.join(self.directory, "none.sock")
            self.check(faas("--socket", path, *verb), 3, path)

    def test_a_socket_without_a_listener_is_named(self):
        path = os.path.join(self.directory, "dead.sock")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        self.check(faas("list", "--socket", path), 3, "Connection refused")

    def test_the_environment_names_the_daemon_and_a_flag_wins(self):
        in_environment = os.path.join(self.directory, "a.sock")
        self.check(faas("list", env=environment(FAAS_SOCKET=in_environment)), 3, in_environment)
        by_flag = os.path.join(self.directory, "b.sock")
        result = faas("list", "--socket", by_flag, env=environment(FAAS_URL="http://127.0.0.1:1"))
        self.check(result, 3, by_flag)

    def test_a_closed_port_is_named(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))  # bound, and nobody listens
            url = "http://127.0.0.1:%d" % probe.getsockname()[1]
            self.check(faas("list", "--url", url), 3, url)

    @unittest.skipIf(os.geteuid() != 0, "becoming another user needs root")
    def test_a_forbidden_socket_says_root_or_group(self):
        daemon = self.daemon()
        os.chmod(self.directory, 0o755)
        os.chmod(daemon.flags[1], 0o600)
        self.check(faas("list", *daemon.flags, user=65534, group=65534, extra_groups=[],
                        executable=self.readable_binary()), 3, "group faas")

    def readable_binary(self):
        """The build directory may be closed to other users."""
        path = os.path.join(self.directory, "faas")
        with open(FAAS, "rb") as source, open(path, "wb") as copy:
            copy.write(source.read())
        os.chmod(path, stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
        return path

    def test_a_new_function_without_a_daemon_does_not_wait_for_the_tarball(self):
        read_end, write_end = os.pipe()  # never written, never closed while faas runs
        result = faas("new", "x", "--socket", "/nonexistent.sock", stdin=read_end)
        os.close(read_end)
        os.close(write_end)
        self.check(result, 3)

    def test_a_server_that_is_no_faasd_is_no_daemon(self):
        html = self.daemon(GET=lambda request: request.answer(200, b"<html>", "text/html"))
        self.check(faas("list", *html.flags), 3, "is it another program")

    def test_a_server_that_speaks_no_http_or_hangs_up_is_no_daemon(self):
        garbage = self.daemon(tcp=True,
                              GET=lambda request: request.connection.sendall(b"220 smtp\r\n"))
        self.check(faas("list", *garbage.flags), 3, "not HTTP")
        silent = self.daemon(GET=lambda request: None)
        self.check(faas("list", *silent.flags), 3, "hung up")


class Looking(CliTest):
    def setUp(self):
        super().setUp()

        def answer(request):
            path = urlsplit(request.target).path
            if path == "/v1/functions":
                request.answer(200, {"functions": [FUNCTION, {**FUNCTION, "name": "b\u001b[31m"}]})
            elif path == "/v1/functions/hello":
                request.answer(200, FUNCTION)
            elif path == "/version":
                request.answer(200, {"version": "9.9.9"})
            else:
                request.refuse(404, "not_found", f"no function \u001b[31m{path}")

        self.server = self.daemon(GET=answer)

    def run_verb(self, *words):
        result = faas(*words, *self.server.flags)
        self.check(result, 0)
        self.assertEqual(result.stderr, b"")
        return result.stdout.decode()

    def test_list_is_a_table_without_control_characters(self):
        lines = self.run_verb("list").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "IP", "VERSION", "IMAGE", "MODE", "LIVE",
                                            "PARKED", "QUEUED", "INVOCATIONS"])
        self.assertEqual(lines[1].split(), ["hello", "127.77.0.10", "3", "0123456789ab",
                                            "ephemeral", "1", "2", "3", "42"])
        self.assertTrue(lines[2].startswith("b\\x1b[31m "))

    def test_list_json_is_the_daemons(self):
        self.assertEqual(json.loads(self.run_verb("list", "--json"))["functions"][0], FUNCTION)

    def test_ip_stands_alone(self):
        self.assertEqual(self.run_verb("ip", "hello"), "127.77.0.10\n")
        self.assertEqual(json.loads(self.run_verb("ip", "hello", "--json")),
                         {"name": "hello", "ip": "127.77.0.10"})

    def test_describe_shows_everything_and_nothing_raw(self):
        page = self.run_verb("describe", "hello")
        for text in ("256 MiB (268435456 bytes)", "30 s", '["/hello","a b"]', "PATH=/bin",
                     "architecture", "\\x1b[2Jgone\\x07", "2025-01-01T00:00:00Z", FUNCTION["image"]):
            self.assertIn(text, page)
        self.assertNotIn("\x1b", page)

    def test_describe_json_is_the_daemons_and_ascii(self):
        text = self.run_verb("describe", "hello", "--json")
        self.assertEqual(json.loads(text), FUNCTION)
        self.assertTrue(text.isascii())
        self.assertNotIn("\x1b", text)

    def test_version_names_both(self):
        text = self.run_verb("version")
        self.assertRegex(text, r"^faas  \d+\.\d+\.\d+\nfaasd 9\.9\.9 at /")
        self.assertEqual(json.loads(self.run_verb("version", "--json"))["faasd"], "9.9.9")

    def test_an_unknown_function_is_exit_1_with_the_daemons_words_made_harmless(self):
        for verb in ("ip", "describe"):
            result = faas(verb, "nope", *self.server.flags)
            self.check(result, 1, "no function \\x1b[31m/v1/functions/nope")
            self.assertEqual(result.stdout, b"")

    def test_a_name_is_percent_encoded(self):
        faas("ip", "../x?y=1 z", *self.server.flags)
        self.assertEqual(self.server.last("GET").target, "/v1/functions/..%2Fx%3Fy%3D1%20z")

    def test_names_for_completions_are_plain_lines_and_failures_are_silent(self):
        # A shell would expand a name with other characters than names have.
        self.assertEqual(self.run_verb("__names"), "hello\n")
        result = faas("__names", "--socket", "/nonexistent.sock")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_a_full_disk_behind_stdout_is_said(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([FAAS, "list", *self.server.flags], env=environment(),
                                    stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left", result.stderr)

    def test_a_reader_that_left_is_not_worth_a_message(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        result = subprocess.run([FAAS, "list", *self.server.flags], env=environment(),
                                stdout=write_end, stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS)
        os.close(write_end)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stderr, b"")


class Token(CliTest):
    def authorization(self, *words, **env):
        daemon = self.daemon(tcp=True, GET=lambda request: request.answer(200, {"functions": []}))
        self.check(faas("list", *daemon.flags, *words, env=environment(**env)), 0)
        return daemon.last("GET").headers.get("authorization")

    def test_no_token_sends_no_header(self):
        self.assertIsNone(self.authorization())

    def test_a_flag_or_the_environment_or_a_file_gives_it(self):
        path = os.path.join(self.directory, "token")
        with open(path, "w", encoding="ascii") as file:
            file.write("from-file\n")
        self.assertEqual(self.authorization("--token", "abc"), "Bearer abc")
        self.assertEqual(self.authorization(FAAS_TOKEN="env"), "Bearer env")
        self.assertEqual(self.authorization(FAAS_TOKEN_FILE=path), "Bearer from-file")
        self.assertEqual(self.authorization("--token", "abc", FAAS_TOKEN="env"), "Bearer abc")

    def test_a_missing_token_file_is_a_usage_error(self):
        self.check(faas("list", env=environment(FAAS_TOKEN_FILE="/nonexistent")), 2, "/nonexistent")

    def test_a_refused_token_is_exit_1(self):
        daemon = self.daemon(tcp=True,
                             GET=lambda request: request.refuse(401, "unauthorized", "wrong token"))
        self.check(faas("list", *daemon.flags, "--token", "x"), 1, "wrong token")


class Removing(CliTest):
    def test_rm_goes_on_after_a_failure(self):
        def remove(request):
            if request.target.endswith("/b"):
                request.refuse(404, "not_found", "no function b")
            else:
                request.answer(200, {"name": "x"})

        daemon = self.daemon(DELETE=remove)
        result = faas("rm", "a", "b", "c", *daemon.flags)
        self.check(result, 1, "b: no function b")
        self.assertEqual(result.stdout, b"a\nc\n")
        self.assertEqual([request.target for request in daemon.requests],
                         ["/v1/functions/a", "/v1/functions/b", "/v1/functions/c"])
        report = json.loads(faas("rm", "a", "b", "--json", *daemon.flags).stdout)
        self.assertEqual(report["removed"], ["a"])
        self.assertEqual(report["failed"], [{"name": "b", "error": "no function b"}])

    def test_rm_takes_an_answer_without_a_body(self):
        daemon = self.daemon(DELETE=lambda request: request.connection.sendall(
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
        self.check(faas("rm", "a", *daemon.flags), 0)


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
                        "--warm", "1", "--launcher", "/usr/bin/crun", "--mode", "ephemeral",
                        "--protocol", "tcp", *daemon.flags), 0)
        target = daemon.last("PUT").target
        self.assertTrue(target.isascii())
        self.assertEqual(parse_qs(urlsplit(target).query), {
            "memory": ["1G"], "cpus": ["0.5"], "pids": ["9"], "timeout": ["5s"],
            "concurrency": ["2"], "queue": ["3"], "queue_timeout": ["1s"], "tmpfs": ["8M"],
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
        process.communicate()
        self.assertTrue(ended.wait(DEADLINE_SECONDS))
        self.assertFalse(daemon.last("PUT").body_complete)

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


class Doctor(CliTest):
    def examine(self, *words, **options):
        result = faas("doctor", "--json", "--socket", os.path.join(self.directory, "none"), *words,
                      **options)
        report = json.loads(result.stdout)
        failed = [check for check in report["checks"] if check["outcome"] == "fail"]
        self.assertEqual(result.returncode, 1 if failed else 0)
        self.assertEqual(report["ok"], not failed)
        for check in report["checks"]:
            self.assertIn(check["outcome"], ("ok", "warn", "fail"))
            self.assertTrue(check["finding"])
            self.assertEqual(check["outcome"] != "ok", bool(check["remedy"]), check)
            self.assertNotIn("\n", check["finding"] + check["remedy"])
        return {check["name"]: check for check in report["checks"]}

    def runtime(self, text):
        path = os.path.join(self.directory, "runc")
        with open(path, "w", encoding="utf-8") as script:
            script.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
        return path

    def test_every_question_is_asked_without_a_daemon(self):
        checks = self.examine()
        for name in ("kernel", "namespaces", "isolation", "seccomp", "cgroups", "runc", "memory",
                     "disk", "inodes", "descriptors", "user ids", "subnet", "port", "daemon",
                     "docker"):
            self.assertIn(name, checks)
        self.assertEqual(checks["daemon"]["outcome"], "warn")

    def test_a_runc_with_a_known_hole_is_named(self):
        old = self.examine("--runc", self.runtime("echo runc version 1.1.11"))
        self.assertEqual(old["runc CVE-2024-21626"]["outcome"], "fail")
        self.assertIn("runc CVE-2025-31133", old)
        newer = self.examine("--runc", self.runtime("echo runc version 1.3.2"))
        self.assertNotIn("runc CVE-2024-21626", newer)
        self.assertEqual(newer["runc CVE-2025-52881"]["outcome"], "warn")
        good = self.examine("--runc", self.runtime("echo runc version 1.3.3"))
        self.assertEqual(good["runc holes"]["outcome"], "ok")

    def test_a_missing_or_odd_runtime_is_said(self):
        self.assertEqual(self.examine("--runc", "/nonexistent/runc")["runc"]["outcome"], "fail")
        odd = self.examine("--runc", self.runtime("printf 'crun \\033[2J\\n'"))["runc"]
        self.assertEqual(odd["outcome"], "warn")
        self.assertIn("crun \\x1b[2J", odd["finding"])

    def test_a_runtime_that_floods_its_output_is_cut_off(self):
        flood = self.runtime("echo runc version 1.3.3; exec cat /dev/zero")
        self.assertIn("runc", self.examine("--runc", flood))

    def test_a_runtime_that_hangs_is_given_up(self):
        check = self.examine("--runc", self.runtime("exec tail -f /dev/null"))["runc"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn("does not answer", check["finding"])

    def test_a_listener_on_every_address_holds_the_port(self):
        with socket.create_server(("0.0.0.0", 0)) as listener:
            port = listener.getsockname()[1]
            check = self.examine("--function-port", str(port))["port"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn(str(port), check["finding"])

    def test_a_foreign_address_in_the_subnet_is_named(self):
        check = self.examine("--subnet", "127.0.0.0/24")["subnet"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn("127.0.0.1", check["finding"])
        self.assertEqual(self.examine("--subnet", "x")["subnet"]["outcome"], "fail")

    def test_a_daemon_that_answers_is_good(self):
        version = faas("--version").stdout.decode().split()[1]
        daemon = self.daemon(GET=lambda request: request.answer(200, {"version": version}))
        result = faas("doctor", *daemon.flags)
        self.assertRegex(result.stdout.decode(), rf"ok +daemon +faasd {version} answers at ")

    @unittest.skipIf(os.geteuid() != 0, "becoming another user needs root")
    def test_without_root_it_says_what_it_could_not_check(self):
        os.chmod(self.directory, 0o755)
        binary = os.path.join(self.directory, "faas")
        with open(FAAS, "rb") as source, open(binary, "wb") as copy:
            copy.write(source.read())
        os.chmod(binary, 0o755)
        checks = self.examine(user=65534, group=65534, extra_groups=[], executable=binary)
        self.assertIn("root", checks["isolation"]["finding"])


if __name__ == "__main__":
    unittest.main()
