"""What the virtual machine runs when it has booted: it installs faasd, then come the tests.

First those of the service, which are beside this file, then those of tests/e2e with the installed
programs, each file but those of NOT_HERE: a new file runs here as well, unless it is named there.
The files whose path has a word of `words`, or of the command line, if there are any.
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import run

BIN = "/usr/bin"
# An emulated processor takes five to ten times as long as the one that it is emulated on.
PATIENCE_S = 180
FILE_S = 600  # one file of tests
FILES_AT_ONCE = 2  # as many as the machine has processors: tests wait more than they work

DOCKER = "needs a Docker engine, and the tests' cache of images"
# Minutes of an emulated processor that would show nothing else: it is about archives and callers,
# and what cgroups, the kernel or the supervisor have to do with it is in the files that run here.
SAME = "is the same on every machine"
# tests/e2e/NAME_test.py that does not run here, and why.
NOT_HERE = {
    "handlers": DOCKER, "images": DOCKER, "languages": DOCKER, "pack": DOCKER, "readme": DOCKER,
    "piston": DOCKER, "programs": DOCKER, "python_branches": DOCKER, "runtime": DOCKER,
    "script_commands": DOCKER, "script_stores": DOCKER, "scripts": DOCKER, "typescript": DOCKER,
    "audit": SAME, "bad_input": SAME, "callers": SAME, "deploy": SAME, "image_layouts": SAME,
    "image_trees": SAME, "import_safety": SAME, "import_upload_safety": SAME, "network": SAME,
    "openapi": SAME, "versions": SAME,
    "install": "is done to make this machine's disk",
}


def install():
    subprocess.run(["cp", "-a", os.path.join(ROOT, "install", "."), "/"], check=True)
    # Which makes systemd read its units again.
    subprocess.run(["systemctl", "enable", "faasd.service"], check=True, capture_output=True)


def service_tier(totals):
    run.unittests(totals, glob.glob(os.path.join(HERE, "*_test.py")), FILE_S)


def e2e_tier(totals):
    # A subtree of their own, as the service has it; systemd_cgroups_test.py has the other driver.
    os.environ["FAASD_CGROUP_DRIVER"] = "cgroupfs"
    paths = glob.glob(os.path.join(ROOT, "tests", "e2e", "*_test.py"))
    run.unittests(totals, [path for path in paths if os.path.basename(path).removesuffix(
        "_test.py") not in NOT_HERE], FILE_S, FILES_AT_ONCE)


def native_tier(totals):
    run.unittests(totals, run.native_paths(), FILE_S, FILES_AT_ONCE,
                  env={"FAASD_LAUNCHER": "native"})


def main():
    words = sys.argv[1:]
    if not words:
        with open(os.path.join(ROOT, "words"), encoding="utf-8") as file:
            words = file.read().split()
    install()
    os.environ.update(FAASD=f"{BIN}/faasd", FAAS=f"{BIN}/faas",
                      FAASD_TEST_PATIENCE_S=str(PATIENCE_S),
                      PYTHONPATH=os.path.join(ROOT, "tests", "e2e"))  # for the images of both
    return run.run({"service": service_tier, "e2e": e2e_tier, "native": native_tier}, words)


if __name__ == "__main__":
    sys.exit(main())
