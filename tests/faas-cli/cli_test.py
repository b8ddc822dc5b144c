"""The real `faas` against a server of the test's own: what is asked, what is printed, and the exit
code. FAAS names the binary."""

import json
import os
import pty
import socket
import sys
import unittest
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import FUNCTION, CliTest, environment, faas  # noqa: E402


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

    def test_a_wrong_word_is_answered_with_where_the_right_ones_are(self):
        table = {(): "faas: a verb is required; see faas --help\n",
                 ("bogus",): "faas: 'bogus' is no verb; see faas --help\n",
                 ("list", "--bogus"): "--bogus; see faas list --help\n",
                 ("new", "x", "--bogus"): "--bogus; see faas new --help\n",
                 ("ip",): "faas: NAME is required; see faas ip --help\n",
                 ("new", "x", "-f", ""): "faas: --file is empty; name a tarball or a directory\n"}
        for words, message in table.items():
            with self.subTest(words=words):
                self.check(faas(*words), 2, message)

    def test_what_is_no_name_of_a_function_is_one_message_and_no_question(self):
        daemon = self.daemon()
        wrong = ("", "my/fn", "../x?y=1 z", "A", "a-", "a" * 65, "é", "a b")
        for name in wrong:
            for verb in ("new", "ip", "describe", "rm", "versions", "rollback"):
                with self.subTest(verb=verb, name=name):
                    self.check(faas(verb, name, *daemon.flags), 2,
                               f"faas: '{name}' is no name of a function: names are 1 to 64 of ")
        self.assertEqual(daemon.requests, [])
        faas("ip", "a" * 64, *daemon.flags)
        faas("ip", "0.a_b-c9", *daemon.flags)
        self.assertEqual(daemon.last("GET").target, "/v1/functions/0.a_b-c9")

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
        os.chmod(daemon.flags[1], 0o600)
        self.check(faas("list", *daemon.flags, user=65534, group=65534, extra_groups=[],
                        executable=self.binary_for_everybody()), 3, "group faas")

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
                     "architecture", "\\x1b[2Jgone\\x07", FUNCTION["created_at"],
                     FUNCTION["image"]):
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

    def test_names_for_completions_are_plain_lines_and_failures_are_silent(self):
        # A shell would expand a name with other characters than names have.
        self.assertEqual(self.run_verb("__names"), "hello\n")
        result = faas("__names", "--socket", "/nonexistent.sock")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_a_full_disk_behind_stdout_is_said(self):
        with open("/dev/full", "wb") as full:
            result = faas("list", *self.server.flags, stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left", result.stderr)

    def test_a_reader_that_left_is_not_worth_a_message(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        result = faas("list", *self.server.flags, stdout=write_end)
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

    def test_rm_names_a_function_once(self):
        daemon = self.daemon(DELETE=lambda request: request.refuse(
            404, "unknown_function", "there is no function 'nope'; `faas list` shows them"))
        self.check(faas("rm", "nope", *daemon.flags), 1, "faas: there is no function 'nope'; ")

    def test_rm_takes_an_answer_without_a_body(self):
        daemon = self.daemon(DELETE=lambda request: request.connection.sendall(
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
        self.check(faas("rm", "a", *daemon.flags), 0)


if __name__ == "__main__":
    unittest.main()
