"""Runs one file of Python tests and ends with a line that a program can read.

    run_unittests.py FILE [NAME…]

One line a test (`ok`, `FAIL`, `SKIP name: reason`), then the tracebacks, then
`RESULT passed failed skipped`. The exit status is 1 if a test failed.
"""

import faulthandler
import importlib.util
import os
import sys
import time
import unittest


class LineResult(unittest.TestResult):
    """Says what happened as it happens, so that a run that hangs shows where."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.failed = 0
        self.tracebacks = []
        self._started = 0.0
        self._subtest_failed = False

    @staticmethod
    def _name(test):
        return test.id().split(".", 1)[-1]

    def _say(self, word, test, suffix=""):
        taken = time.monotonic() - self._started
        print(f"{word} {self._name(test)}{suffix} ({taken:.1f} s)", flush=True)

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()
        self._subtest_failed = False

    def addSuccess(self, test):
        self.passed += 1
        self._say("ok  ", test)

    def _fail(self, test, err):
        self.failed += 1
        self._say("FAIL", test)
        self.tracebacks.append((self._name(test), self._exc_info_to_string(err, test)))

    def addFailure(self, test, err):
        self._fail(test, err)

    def addError(self, test, err):
        # A class that could not be set up reports here without startTest.
        self._started = self._started or time.monotonic()
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        # A test with failed rows is one failed test; each row shows its own traceback.
        if err is None:
            return
        if not self._subtest_failed:
            self.failed += 1
        self._subtest_failed = True
        self._say("FAIL", subtest)
        text = self._exc_info_to_string(err, subtest)
        self.tracebacks.append((self._name(subtest), text))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"SKIP {self._name(test)}: {reason}", flush=True)


def main():
    path, names = sys.argv[1], sys.argv[2:]
    # The runner sends SIGABRT when the time is over: every thread then shows where it stands.
    faulthandler.enable(all_threads=True)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    module_name = os.path.basename(path).removesuffix(".py")
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)

    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(names, module) if names
             else loader.loadTestsFromModule(module))
    result = LineResult()
    suite.run(result)
    for name, text in result.tracebacks:
        print(f"\n--- {name}\n{text}")
    print(f"RESULT {result.passed} {result.failed} {len(result.skipped)}", flush=True)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
