"""faas-execute: what it makes of a request, and how a program, its compiler and all that they start
come to their end. Most of it needs no container; the last class is about what faasd adds."""

import base64
import json
import tempfile
import unittest

import execute_root
import faasd_process
import images
from faasd_client import at_this_pace
from faasd_process import FaasdTestCase
from image_tar import ImageTar, directory, file, symlink

SOON_MS = at_this_pace(1000)  # enough to print a word
FOREVER = "tail -f /dev/null"


def sh(script, *arguments, **more):
    """A request to run a shell script, from a file."""
    return {"files": [{"name": "main.sh", "content": script}], "run": ["sh", "main.sh", *arguments],
            **more}


def compiler(script, **more):
    """A request to compile by a shell script, and to say so."""
    return {"files": [{"name": "compile.sh", "content": script}],
            "compile": ["sh", "compile.sh"], "run": ["echo", "it runs"], **more}


class OutsideOfAContainer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := execute_root.missing():
            raise unittest.SkipTest(reason)
        cls.root = cls.enterClassContext(execute_root.ExecuteRoot(
            cls.enterClassContext(tempfile.TemporaryDirectory(prefix="x-"))))

    def start(self, request):
        execution = self.root.start()
        self.addCleanup(execution.process.kill)
        execution.send(request)
        return execution

    def execute(self, request):
        """(lines of the reply, stdout, stderr)."""
        execution = self.start(request)
        status, lines = execution.answer()
        code, out, err = execution.end()
        self.assertEqual((status, code), (200, 0), (lines, out, err))
        return lines, out, err

    def run_only(self, request):
        lines, out, err = self.execute(request)
        self.assertEqual([list(line) for line in lines], [["run"]])
        return lines[0]["run"], out, err

    def ended(self, result, code, signal, status):
        self.assertEqual((result["code"], result["signal"], result["status"]),
                         (code, signal, status), result)
        self.assertEqual(result["message"] is None, status is None)
        self.assertGreaterEqual(result["wall_time_ms"], 0)
        self.assertGreaterEqual(result["cpu_time_ms"], 0)


class AProgram(OutsideOfAContainer):
    def test_has_its_files_arguments_and_input(self):
        request = sh("pwd; cat data/in/a.bin; cat ./b; echo $# \"$2\"; cat; echo $HOME >&2",
                     "1", "two words", stdin="line\nGrüße")
        request["files"] += [
            {"name": "data/in/a.bin", "encoding": "base64",
             "content": base64.b64encode(b"a\n").decode()},
            {"name": "./b", "encoding": "hex", "content": "620a", "more": 1},
            {"name": "data/in/other", "content": "", "encoding": None}]
        result, out, err = self.run_only(request)
        self.ended(result, 0, None, None)
        self.assertEqual(out, "/tmp/program\na\nb\n2 two words\nline\nGrüße")
        self.assertEqual(err, "/tmp\n")
        self.assertGreater(result["memory_bytes"], 0)

    def test_ends_with_a_code_or_a_signal(self):
        for script, code, signal, status in (
                ("exit 0", 0, None, None), ("exit 3", 3, None, "RE"),
                ("kill -SEGV $$", None, "SIGSEGV", "SG"), ("kill -9 $$", None, "SIGKILL", "SG"),
                ("kill -TERM 1; exit 4", 4, None, "RE"), ("kill -9 1; exit 5", 5, None, "RE")):
            with self.subTest(script):
                self.ended(self.run_only(sh(script))[0], code, signal, status)

    def test_that_cannot_be_executed_is_told_as_by_a_shell(self):
        for run, code, reason in (
                (["no-such-program"], 127, "no-such-program: No such file or directory"),
                (["./main.sh"], 126, "./main.sh: Permission denied"),
                (["/tmp"], 126, "/tmp: Permission denied"),
                (["echo", "x" * 200_000], 126, "echo: Argument list too long")):
            with self.subTest(run[0]):
                result, out, err = self.run_only({**sh("echo no"), "run": run})
                self.ended(result, code, None, "RE")
                self.assertEqual((result["message"], out, err), (reason, "", reason + "\n"))

    def test_has_an_input_that_is_a_file_and_cannot_be_changed(self):
        result, out, _ = self.run_only(sh(
            "head -c 2 >/dev/null; wc -c </proc/self/fd/0; cat | wc -c; cat | wc -c\n"
            "if echo more 2>/dev/null >>/proc/self/fd/0; then echo changed; fi", stdin="12345"))
        self.ended(result, 0, None, None)
        self.assertEqual(out.split()[0], "5")
        self.assertEqual(out.split()[-1], "0")
        for request in (sh("wc -c"), sh("wc -c", stdin=""), sh("wc -c", stdin=None)):
            self.assertEqual(self.run_only(request)[1], "0\n")

    def test_need_not_read_its_input(self):
        self.ended(self.run_only(sh("exit 0", stdin="x" * 3_000_000))[0], 0, None, None)

    def test_has_three_descriptors_and_default_signals(self):
        _, out, _ = self.run_only(sh("ls /proc/self/fd; grep -E 'SigBlk|SigIgn' /proc/self/status"))
        none = "0" * 16
        self.assertEqual(out.split(), ["0", "1", "2", "3", "SigBlk:", none, "SigIgn:", none])

    def test_cannot_look_into_the_process_that_started_it(self):
        _, out, _ = self.run_only(sh(
            "cd /proc/1; for each in fd/* environ mem maps; do cat $each && echo $each; done\n"
            "ls fd; readlink exe; cat /proc/self/oom_score_adj"))
        self.assertEqual(out, "1000\n")

    def test_is_killed_when_its_time_is_over(self):
        result, out, err = self.run_only(sh(
            f"echo before; echo also >&2; ({FOREVER}) & setsid {FOREVER} & {FOREVER}",
            run_timeout_ms=SOON_MS))
        self.ended(result, None, "SIGKILL", "TO")
        self.assertEqual((out, err), ("before\n", "also\n"))
        self.assertGreaterEqual(result["wall_time_ms"], SOON_MS)

    def test_ends_with_all_that_it_has_started(self):
        execution = self.start(sh(f"setsid {FOREVER} & ({FOREVER} &) & trap '' TERM; exit 2"))
        _, lines = execution.answer()
        self.assertEqual(self.root.children(execution), [])
        self.ended(lines[0]["run"], 2, None, "RE")
        execution.end()

    def test_ends_when_nobody_waits_for_it(self):
        execution = self.start(sh(f"echo here; {FOREVER}"))
        self.assertEqual(execution.process.stdout.readline(), b"here\n")
        self.assertEqual(execution.end()[0], 0)


class ACompiler(OutsideOfAContainer):
    def test_is_followed_by_the_run(self):
        request = compiler("echo made; echo warned >&2; cat; cp compile.sh made",
                           stdin="not for it")
        lines, out, _ = self.execute({**request, "run": ["cat", "made", "-"]})
        self.assertEqual([list(line) for line in lines], [["compile"], ["run"]])
        compiled = lines[0]["compile"]
        self.ended(compiled, 0, None, None)
        self.assertEqual((compiled["stdout"], compiled["stderr"]), ("made\n", "warned\n"))
        self.assertEqual(sorted(compiled["output"].split()), ["made", "warned"])
        self.assertNotIn("stdout", lines[1]["run"])
        self.assertTrue(out.endswith("not for it"), out)

    def test_says_its_end_at_once(self):
        execution = self.start({**compiler(":"), "run": ["tail", "-f", "/dev/null"]})
        text = b""
        while b'{"compile"' not in text or not text.endswith(b"\n"):
            text += execution.connection.recv(4096)
        execution.end()

    def test_that_fails_is_not_followed_by_a_run(self):
        for script, more, code, signal, status in (
                ("echo bad >&2; exit 1", {}, 1, None, "RE"),
                ("kill -ABRT $$", {}, None, "SIGABRT", "SG"),
                (f"echo first; {FOREVER}", {"compile_timeout_ms": SOON_MS}, None, "SIGKILL", "TO"),
                ("yes", {"output_bytes": 1001}, None, "SIGKILL", "OL"),
                ("yes >&2", {"output_bytes": 1001}, None, "SIGKILL", "EL"),
                ("yes | head -c 100000", {"output_bytes": 99999}, None, "SIGKILL", "OL"),
                (":", {"compile": ["no-such-compiler"]}, 127, None, "RE")):
            with self.subTest(script):
                lines, out, _ = self.execute({**compiler(script), **more})
                self.assertEqual([list(line) for line in lines], [["compile"]])
                compiled = lines[0]["compile"]
                self.ended(compiled, code, signal, status)
                self.assertEqual(out, "")
                self.assertEqual(compiled["output"], compiled["stdout"] + compiled["stderr"])
                if "output_bytes" in more:
                    self.assertEqual(len(compiled["output"]), more["output_bytes"])
                if status == "TO":
                    self.assertEqual(compiled["stdout"], "first\n")

    def test_has_output_up_to_the_limit_and_of_any_bytes(self):
        lines, _, _ = self.execute(compiler("printf '\\377a\\000'; yes | head -c 99997 >&2",
                                            output_bytes=99997))
        self.assertEqual(lines[0]["compile"]["stdout"], "\ufffda\0")
        self.assertEqual(len(lines[0]["compile"]["stderr"]), 99997)

    def test_leaves_nothing_for_the_run(self):
        lines, out, _ = self.execute({
            **compiler(f"(setsid {FOREVER} >/dev/null 2>&1 &) ; setsid {FOREVER} & echo done"),
            "run": ["sh", "-c", "cd /proc; echo [0-9]*"]})
        self.assertEqual(lines[0]["compile"]["stdout"], "done\n")
        self.assertEqual(len(out.split()), 2, out)  # itself and process 1


class ARequest(OutsideOfAContainer):
    def refused(self, request, status, code):
        execution = self.start(request)
        got, lines = execution.answer()
        self.assertEqual((got, lines[0]["code"]), (status, code), lines)
        self.assertEqual(execution.end()[:2], (0, ""))

    def test_that_is_none_is_refused(self):
        for request, status, code in (
                (b"\r\n\r\n", 400, "bad_request"), (b"hello\r\n\r\n", 400, "bad_request"),
                (b"POST / SSH/2\r\n\r\n", 400, "bad_request"),
                (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", 400, "bad_request"),
                (b"GET / HTTP/1.1\r\n\r\n", 405, "bad_method"),
                (b"POST /x HTTP/1.1\r\n\r\n", 404, "not_found"),
                (b"POST / HTTP/1.1\r\n\r\n", 411, "length_required"),
                (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
                (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
                 "bad_request"),
                (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
                 "bad_request"),
                (b"POST / HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", 413, "body_too_large"),
                (b"POST / HTTP/1.1\r\nX: " + b"x" * 70_000, 431, "head_too_large"),
                (b"POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n", 400, "bad_json"),
                ([], 400, "bad_program"), ({"files": [], "run": []}, 400, "bad_program"),
                ({"files": [{"name": "../x", "content": ""}], "run": ["ls"]}, 400, "bad_file"),
                (sh("x" * 5_000_000), 413, "no_space")):
            with self.subTest(str(request)[:60]):
                self.refused(request, status, code)

    def test_may_come_in_pieces_and_wait_for_a_go(self):
        execution = self.start(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Le")
        body = json.dumps(sh("echo pieces")).encode()
        execution.send(b"ngth: %d\r\n\r\n" % len(body))
        self.assertEqual(execution.connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        for byte in body:
            execution.send(bytes([byte]))
        _, lines = execution.answer()
        self.ended(lines[0]["run"], 0, None, None)
        self.assertEqual(execution.end()[1], "pieces\n")

    def test_that_never_comes_ends_it(self):
        self.assertEqual(self.start(b"POST / HTTP").end(), (0, "", ""))
        execution = self.root.start(with_connection=False)
        code, out, err = execution.end()
        self.assertEqual((code, out), (111, ""))
        self.assertIn("faas-execute: receive a connection", err)


@unittest.skipIf(execute_root.missing(), execute_root.missing())
class InAContainer(FaasdTestCase):
    def deploy(self, faasd, *options):
        applets = [symlink(f"bin/{name}", "busybox") for name in execute_root.APPLETS]
        with open(execute_root.BUSYBOX, "rb") as busybox:
            archive = ImageTar([[images.program("faas-execute"), directory("bin"),
                                 file("bin/busybox", busybox.read(), mode=0o755), *applets]],
                               {"Entrypoint": ["/faas-execute"]}).build()
        return faasd.deploy("execute", archive, *options)

    def execute(self, address, request):
        execution = execute_root.Execution(None, faasd_process.connect(address))
        self.addCleanup(execution.connection.close)
        execution.send(request)
        status, lines = execution.answer()
        self.assertEqual(status, 200, lines)
        return lines[-1]["run"]

    def test_what_a_program_prints_is_in_the_log_whatever_its_end(self):
        faasd = self.start()
        address = self.deploy(faasd)
        result = self.execute(address, sh(f"echo one; cat >&2; {FOREVER}", stdin="two\n",
                                          run_timeout_ms=SOON_MS))
        self.assertEqual((result["status"], result["signal"]), ("TO", "SIGKILL"))
        faasd.log.wait_until(
            lambda: {(line["stream"], line["text"]) for line in faasd.function_log("execute")
                     } == {("stdout", "one"), ("stderr", "two")},
            lambda: str(faasd.function_log("execute")))

    def test_a_program_without_memory_is_killed_and_its_end_is_told(self):
        address = self.deploy(self.start(), "--memory", "32M")
        result = self.execute(address, sh("dd if=/dev/zero of=/dev/null bs=200M count=1"))
        self.assertIn((result["code"], result["signal"]), ((None, "SIGKILL"), (137, None)))

    def test_a_program_may_leave_more_orphans_than_there_may_be_processes(self):
        address = self.deploy(self.start(), "--pids", "32")
        result = self.execute(address, sh("for i in $(seq 100); do (true &); done; exit 9"))
        self.assertEqual(result["code"], 9)

    def test_a_program_cannot_look_into_process_1_though_it_is_the_same_user(self):
        address = self.deploy(self.start())
        # Its descriptors can be counted by root inside; what they are, or are good for, cannot.
        result = self.execute(address, sh(
            "cd /proc/1; for each in fd/* exe cwd root; do readlink $each && exit 1; done\n"
            "for each in fd/* mem environ maps auxv; do head -c 1 $each && exit 2; done\n"
            "for each in fd/* mem; do (echo x >$each) && exit 3; done; exit 0"))
        self.assertEqual(result["code"], 0, result)


if __name__ == "__main__":
    unittest.main()
