"""`faas runtime` of the real `faas`: what it asks of the daemon, and what becomes of tools that
fail. Docker and mmdebstrap are scripts here; real ones are in tests/e2e/runtime_test.py. FAAS names
the binary."""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import (DEADLINE_SECONDS, FAAS, FUNCTION, MIB, ROOT, CliTest,  # noqa: E402
                      environment)

LANGUAGE = {"name": "python", "version": "3.11.2", "aliases": ["py", "python3"], "scripts": True}
IMAGE = "sha256:" + "ab" * 32
FUNCTIONS = {"functions": [
    FUNCTION,
    {"name": "python", "image": IMAGE, "language": LANGUAGE},
    {"name": "old", "image": IMAGE, "language": {**LANGUAGE, "version": "2.7", "aliases": []}},
    {"name": "js", "image": IMAGE, "language": {"name": "javascript", "version": "18"}}]}
NO_DOCKER = "exit 1\n"
# Of what make-image runs before it looks for mmdebstrap.
BEFORE = ("bash", "chmod", "id", "mktemp", "readlink", "rm", "timeout")


def accept(request):
    request.read_body()
    request.answer(201, {**FUNCTION, "name": "python", "version": 1, "language": LANGUAGE})


class RuntimeTest(CliTest):
    """A `faas` that is installed below `prefix`, with tools that the test writes."""

    def setUp(self):
        super().setUp()
        prefix = os.path.join(self.directory, "prefix")
        self.handlers = os.path.join(prefix, "share", "faasd", "handlers")
        self.tools, self.temporary = (os.path.join(self.directory, name) for name in "xt")
        for path in (os.path.join(prefix, "bin"), self.tools, self.temporary):
            os.makedirs(path)
        self.program = shutil.copy(FAAS, os.path.join(prefix, "bin"))
        shutil.copytree(os.path.join(ROOT, "handlers"), self.handlers)
        self.env = environment(PATH=f"{self.tools}:/usr/bin:/bin", TMPDIR=self.temporary)

    def tool(self, name, script):
        path = os.path.join(self.tools, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    def start(self, *arguments):
        return subprocess.Popen([self.program, "runtime", *arguments], env=self.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)

    def runtime(self, *arguments):
        process = self.start(*arguments)
        output = process.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual(os.listdir(self.temporary), [], "something was left behind")
        return subprocess.CompletedProcess(process.args, process.returncode, *output)

    def needs_root(self):
        if os.geteuid() != 0:
            self.skipTest("without Docker, an image is made by root")


class Listing(RuntimeTest):
    def daemon_with_functions(self, **handlers):
        return self.daemon(GET=lambda request: request.answer(200, FUNCTIONS), **handlers)

    def test_shows_functions_that_are_languages(self):
        daemon = self.daemon_with_functions()
        result = self.runtime("list", *daemon.flags)
        self.check(result, 0)
        self.assertEqual(result.stdout.decode().splitlines(), [
            "LANGUAGE    VERSION  ALIASES     FUNCTION  IMAGE",
            "python      3.11.2   py python3  python    abababababab",
            "python      2.7      -           old       abababababab",
            "javascript  18       -           js        abababababab"])
        result = self.runtime("list", "--json", *daemon.flags)
        self.assertEqual(json.loads(result.stdout)["runtimes"][0], {
            "language": "python", "version": "3.11.2", "aliases": ["py", "python3"],
            "function": "python", "image": IMAGE})

    def test_rm_removes_every_function_of_a_language(self):
        daemon = self.daemon_with_functions(DELETE=lambda request: request.answer(200, {}))
        result = self.runtime("rm", "python", "python", *daemon.flags)
        self.check(result, 0)
        self.assertEqual(result.stdout, b"old\npython\n")
        self.assertEqual([request.target for request in daemon.requests
                          if request.method == "DELETE"],
                         ["/v1/functions/old", "/v1/functions/python"])

    def test_rm_of_a_language_that_is_not_installed_removes_nothing(self):
        daemon = self.daemon_with_functions()
        self.check(self.runtime("rm", "javascript", "cobol", *daemon.flags), 1, "'cobol'")

    def test_asks_for_what_to_do(self):
        for words in ([], ["prepare"], ["install"], ["rm"]):
            with self.subTest(words=words):
                self.check(self.runtime(*words), 2, "see faas runtime --help")


class Installing(RuntimeTest):
    def options_sent(self, daemon):
        target = urlsplit(daemon.last("PUT").target)
        return target.path, parse_qs(target.query)

    def test_sends_a_tarball_with_the_description_of_the_language(self):
        daemon = self.daemon(PUT=accept)
        result = self.runtime("install", "python", "-f", self.tarball(MIB), *daemon.flags)
        self.check(result, 0)
        self.assertEqual(result.stdout, b"python 3.11.2 is the function python, version 1\n")
        with open(os.path.join(ROOT, "handlers", "python", "language.json"),
                  encoding="utf-8") as file:
            language = file.read()
        self.assertEqual(self.options_sent(daemon), ("/v1/functions/python", {
            "language": [language], "concurrency": ["1024"], "queue": ["1024"],
            "queue_timeout": ["60s"], "warm": ["auto"]}))
        self.assertEqual(daemon.last("PUT").body_bytes, MIB)

    def test_flags_win_over_its_defaults(self):
        daemon = self.daemon(PUT=accept)
        self.check(self.runtime("install", "python", "-f", self.tarball(MIB), "--name", "py.2",
                                "--concurrency", "2", "--queue", "3", "--queue-timeout", "4s",
                                "--warm", "2", "--memory", "1G", "-e", "A=1", *daemon.flags), 0)
        path, options = self.options_sent(daemon)
        del options["language"]
        self.assertEqual((path, options), ("/v1/functions/py.2", {
            "concurrency": ["2"], "queue": ["3"], "queue_timeout": ["4s"], "warm": ["2"],
            "memory": ["1G"], "env": ["A=1"]}))

    def test_what_is_no_language_or_no_name_is_a_usage_error(self):
        daemon = self.daemon()
        for words, said in ((["cobol"], "these are: "), (["../handlers/python"], "these are: "),
                            ([""], "these are: "), (["python", "--name", "A"], "no name"),
                            (["python", "-f", "/nonexistent"], "/nonexistent")):
            with self.subTest(words=words):
                self.check(self.runtime("install", *words, *daemon.flags), 2, said)
        shutil.rmtree(self.handlers)
        self.check(self.runtime("install", "python", *daemon.flags), 2, self.handlers)
        self.assertEqual(daemon.requests, [])

    def test_docker_makes_the_image_and_what_it_is_from(self):
        self.tool("docker", 'echo "$*" >>"$TMPDIR/../said"\n[ "$1" != save ] || echo image\n')
        daemon = self.daemon(PUT=accept)
        self.check(self.runtime("install", "typescript", *daemon.flags), 0, "docker build")
        with open(os.path.join(self.directory, "said"), encoding="utf-8") as file:
            said = file.read().splitlines()
        self.assertEqual([line.rpartition(" -t ")[2] for line in said], [
            "version", "faas/javascript -f javascript/Dockerfile .",
            "faas/typescript -f typescript/Dockerfile .", "save faas/typescript"])
        self.assertEqual(daemon.last("PUT").body_bytes, len("image\n"))

    def test_nothing_is_made_for_a_daemon_that_refuses(self):
        self.tool("docker", "exit 3\n")
        daemon = self.daemon(GET=lambda request: request.refuse(403, "forbidden", "not you"))
        result = self.runtime("install", "python", *daemon.flags)
        self.check(result, 1, "not you")
        self.assertNotIn(b"Docker", result.stderr)

    def test_a_failure_shows_the_end_of_what_the_tool_said(self):
        self.needs_root()
        self.tool("docker", '[ "$1" != build ] || { seq 30 >&2; echo no registry; exit 1; }\n')
        self.tool("mmdebstrap", "seq 100 140; echo E: no mirror >&2; exit 25\n")
        daemon = self.daemon()
        result = self.runtime("install", "python", *daemon.flags)
        self.check(result, 1, "the image of python could not be made")
        lines = result.stderr.decode().splitlines()
        for line in ("no registry", "30", "E: no mirror", "140"):
            self.assertIn(line, lines)
        for line in ("1", "100"):
            self.assertNotIn(line, lines)

    def test_it_says_which_packages_are_missing(self):
        self.needs_root()
        for name in BEFORE:
            os.symlink(shutil.which(name), os.path.join(self.tools, name))
        self.env["PATH"] = self.tools
        self.check(self.runtime("install", "python", *self.daemon().flags), 1,
                   "apt-get install mmdebstrap")

    def test_an_instruction_that_needs_docker_is_named(self):
        self.needs_root()
        self.tool("docker", NO_DOCKER)
        daemon = self.daemon()
        for instruction in ("FROM fedora", "FROM debian:bookworm-slim\nADD a b",
                            "FROM debian:bookworm-slim\nENV A='b c'",
                            "FROM debian:bookworm-slim\nCOPY --from=other /a /b"):
            with self.subTest(instruction=instruction):
                # What the script does to a base is not of interest here.
                self.tool("mmdebstrap", 'for root; do :; done\n'
                          'mkdir -p "$root/etc" "$root/usr/sbin" "$root/proc" "$root/dev"\n')
                with open(os.path.join(self.handlers, "python", "Dockerfile"), "w",
                          encoding="utf-8") as file:
                    file.write(instruction + "\n")
                self.check(self.runtime("install", "python", *daemon.flags), 1, "without Docker, ")

    def test_an_interrupt_ends_the_tool_and_leaves_nothing(self):
        self.needs_root()
        self.tool("docker", NO_DOCKER)
        started = os.path.join(self.directory, "started")
        os.mkfifo(started)
        self.tool("mmdebstrap", f'echo started >"{started}"\nexec tail -f /dev/null\n')
        process = self.start("install", "python", *self.daemon().flags)
        with open(started, encoding="utf-8") as fifo:
            fifo.read()
        os.killpg(process.pid, signal.SIGINT)
        stderr = process.communicate(timeout=DEADLINE_SECONDS)[1]
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn(b"interrupted; nothing was deployed", stderr)
        self.assertEqual(os.listdir(self.temporary), [])


if __name__ == "__main__":
    unittest.main()
