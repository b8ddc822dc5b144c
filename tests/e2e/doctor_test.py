"""`faas doctor` on this host, with and without a daemon."""

import json
import os
import subprocess
import tempfile
import unittest

from faasd_process import PATH, FaasdTestCase, binary


def doctor(*arguments):
    done = subprocess.run([binary("faas"), "doctor", *arguments], capture_output=True, text=True,
                          env={"PATH": PATH, "LANG": "C.UTF-8"}, timeout=60)
    return done.returncode, done.stdout, done.stderr


class TheDoctor(FaasdTestCase):
    def test_finds_this_host_fit_for_what_the_other_tests_do(self):
        with tempfile.TemporaryDirectory(prefix="s-") as state:
            status, text, _ = doctor("--json", "--socket", "/nowhere/s.sock", "--state-dir", state)
        answer = json.loads(text)
        failed = [check for check in answer["checks"] if check["outcome"] == "fail"]
        self.assertEqual((failed, status, answer["ok"]), ([], 0, True))

    def test_knows_a_daemon_that_runs_from_one_that_does_not(self):
        faasd = self.start()
        with_it = json.loads(doctor("--json", "--socket", faasd.socket)[1])
        without = json.loads(doctor("--json", "--socket", "/nowhere/s.sock")[1])
        self.assertNotEqual(with_it["checks"], without["checks"])

    def test_names_a_runtime_that_is_not_there_and_what_to_do(self):
        status, text, _ = doctor("--json", "--runc", "/nowhere/runc")
        self.assertEqual(status, 1)
        check = next(check for check in json.loads(text)["checks"] if check["outcome"] == "fail")
        self.assertIn("/nowhere/runc", json.dumps(check))
        self.assertTrue(check["remedy"])

    def test_warns_of_a_runc_with_a_known_hole(self):
        with tempfile.TemporaryDirectory(prefix="r-") as directory:
            path = os.path.join(directory, "runc")
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho runc version 1.1.5\n")
            os.chmod(path, 0o755)
            status, text, _ = doctor("--json", "--runc", path)
        self.assertEqual(status, 1)
        outcomes = {check["name"]: check["outcome"] for check in json.loads(text)["checks"]}
        self.assertEqual(outcomes["runc CVE-2024-21626"], "fail")

    def test_changes_nothing(self):
        with tempfile.TemporaryDirectory(prefix="s-") as directory:
            state = os.path.join(directory, "state")
            doctor("--state-dir", state)
            self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    unittest.main()
