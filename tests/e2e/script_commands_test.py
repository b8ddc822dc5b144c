"""Scripts from the command line: faas run, upload and call."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

import machine
from faasd_process import PATIENCE_S, binary
from script_case import ScriptTestCase


class ScriptCommandTest(ScriptTestCase):
    """faas run, upload and call."""

    languages = ("python",)

    def setUp(self):
        super().setUp()
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="s-"))

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_run_shows_the_result_and_the_stream_what_is_written(self):
        faasd = self.start_with_languages()
        path = self.file("a.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
                                 "return {'got': event}")
        done = faasd.faas("run", path, "--input", '{"a": 1}')
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, '{"got":{"a":1}}\n', ""))
        done = faasd.faas("run", path, "--input", "7", "--stream")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, 'out\n{"got":7}\n', "err\n"))
        done = faasd.faas("run", "-l", "python", "-", input=b"return 'text'")
        self.assertEqual((done.returncode, done.stdout), (0, "text\n"))
        done = faasd.faas("run", path, "--json", "--stream")
        self.assertEqual([json.loads(line)["event"] for line in done.stdout.splitlines()],
                         ["log", "log", "result"])

    def test_a_script_that_fails_is_exit_code_1_with_its_traceback(self):
        faasd = self.start_with_languages()
        path = self.file("a.py", "x = 1\nx / 0\n")
        for options in ((), ("--stream",)):
            done = faasd.faas("run", path, *options)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("line 2", done.stderr)
            self.assertIn("ZeroDivisionError", done.stderr)
        done = faasd.faas("run", path, "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["line"]), (1, 2))
        loud = self.file("loud.py", "print('before')\nx / 0\n")
        done = faasd.faas("run", loud)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith("before\nTraceback"), done.stderr)
        leaves = self.file("exit.py", "import os\nos.write(1, b'bye')\nos._exit(3)")
        done = faasd.faas("run", leaves)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^bye\n.*exited with 3\n$")
        for arguments, code in ((("run", self.file("a.txt", "x")), 2), (("run", "/none.py"), 2),
                                (("run", path, "--input", "{"), 2), (("call", ""), 2),
                                (("call", "none"), 1), (("upload", "..", path), 1)):
            with self.subTest(arguments=arguments):
                self.assertEqual(faasd.faas(*arguments).returncode, code)

    def test_upload_and_call(self):
        faasd = self.start_with_languages()
        path = self.file("a.py", "return event")
        done = faasd.faas("upload", "a b/ü?", path, check=True)
        self.assertRegex(done.stdout, r"^a b/ü\?, version \d+\n$")
        first = int(done.stdout.split()[-1])
        again = json.loads(faasd.faas("upload", "a b/ü?", self.file("b.py", "return 2"), "--json",
                                      check=True).stdout)
        self.assertGreater(again["version"], first)
        self.assertEqual(faasd.faas("call", "a b/ü?", check=True).stdout, "2\n")
        self.assertEqual(faasd.faas("call", "a b/ü?", "--version", str(first), "--input", '"x"',
                                    check=True).stdout, "x\n")

    def test_ctrl_c_stops_the_script(self):
        faasd = self.start_with_languages()
        path = self.file("a.py", "import signal\nprint('on')\nsignal.pause()")
        with subprocess.Popen([binary("faas"), "--socket", faasd.socket, "run", path, "--stream"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as command:
            self.assertEqual(command.stdout.readline(), b"on\n")
            command.send_signal(signal.SIGINT)
            self.assertEqual(command.wait(PATIENCE_S), 128 + signal.SIGINT)
        self.assertIn("its client left", self.receipts(faasd, "python", 1)[0]["reason"])
        faasd.log.wait_until(lambda: not machine.descendants(faasd.process.pid)
                             or not faasd.containers(), "it goes on")


if __name__ == "__main__":
    unittest.main()
