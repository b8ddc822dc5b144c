"""The installed faasd as systemd runs it, with its directories where the unit puts them."""

import os
import subprocess
import unittest

import machine
from faasd_client import Client
from faasd_process import LogLines

UNIT = "faasd.service"
FLAGS = "/etc/default/faasd"
STATE_DIR, RUN_DIR = "/var/lib/faasd", "/run/faasd"


def systemctl(*arguments, check=True):
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"systemctl {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
                             f"{journal()}")
    return done.stdout.strip()


def journal():
    return subprocess.run(["journalctl", "--unit", UNIT, "--boot", "--output", "cat",
                           "--lines", "100"], capture_output=True, text=True).stdout


def handler_with_cgroup(daemon):
    """The pid of the one /hello that runs, once it does, and the path of its cgroup."""
    def handlers():
        return [pid for pid in daemon.containers() if machine.command_of(pid) == "/hello"]
    pid, = daemon.log.wait_until(handlers, "no handler runs")
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        return pid, file.read().strip().removeprefix("0::")


def read_cgroup(path, name):
    with open(f"/sys/fs/cgroup{path}/{name}", encoding="ascii") as file:
        return file.read().strip()


class Service(Client):
    """The unit and what it writes to the journal from now on."""

    socket = f"{RUN_DIR}/faasd.sock"

    def __init__(self):
        shown = subprocess.run(["journalctl", "--lines", "0", "--show-cursor"],
                               capture_output=True, text=True, check=True).stdout
        self._journal = subprocess.Popen(
            ["journalctl", "--unit", UNIT, "--output", "cat", "--follow", "--no-tail",
             "--after-cursor", shown.partition("cursor: ")[2].strip()], stdout=subprocess.PIPE)
        self.log = LogLines(self._journal.stdout)

    def properties(self, *names):
        lines = systemctl("show", UNIT, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def pid(self):
        return int(self.properties("MainPID")["MainPID"])

    def containers(self):
        return machine.descendants(self.pid())

    def leftovers(self):
        """Sentences about what a service that has ended left on the machine."""
        found = [f"cgroup {path}" for path in sorted(machine.cgroup_directories())
                 if "faasd" in path]
        found += [f"address {address}" for address, label in machine.ipv4_addresses()
                  if label.startswith("lo:faas")]
        found += [f"mount {path}" for path in machine.mount_points() if path.startswith(
            (STATE_DIR, RUN_DIR))]
        # Who takes a lock file away while another waits for it lets two in.
        found += [f"in the run directory: {name}" for name in machine.tree(RUN_DIR)
                  if name != "lock"]
        found += [f"process {pid}: {machine.command_of(pid)}"
                  for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                  if machine.command_of(pid).startswith((
                      "/usr/bin/faasd", "runc", "/hello", "/misbehave"))]
        return found

    def close(self):
        self._journal.terminate()
        self._journal.wait()
        self.log.join()
        self._journal.stdout.close()


class ServiceTestCase(unittest.TestCase):
    """Each test has a service that runs and has no functions, and ends with it stopped."""

    def setUp(self):
        with open(FLAGS, "w", encoding="utf-8") as file:
            file.write("FAASD_LOG_FORMAT=json\n")
        self.addCleanup(os.unlink, FLAGS)
        self.service = Service()
        self.addCleanup(self.service.close)
        self.addCleanup(self.end)
        # A unit may be started five times in ten seconds, and a quick machine has more tests than
        # that: each begins to count anew.
        systemctl("reset-failed", UNIT)
        systemctl("start", UNIT)
        self.service.log.wait_for("ready")  # the journal is a little later

    def end(self):
        systemctl("stop", UNIT)
        if not self._outcome.success:
            print(f"--- journal\n{journal()}")
        left = self.service.leftovers()
        systemctl("clean", "--what=state", "--what=runtime", UNIT)  # for the next test
        self.assertEqual(left, [], "left by the service after its end")
        self.assertEqual(self.service.properties("Result", "ExecMainCode", "ExecMainStatus"),
                         {"Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0"})
