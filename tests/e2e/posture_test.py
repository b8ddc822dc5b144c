"""What a container is from inside, row by row of the table of what must be true (C1 to C12).

The whole of it, as far as it is the same on every machine, is posture.json beside this file, so
that a change of the posture shows in a review. To renew it: FAASD_RENEW_POSTURE=1 and this test.
"""

import difflib
import json
import os
import platform
import re
import unittest

import images
import machine
from faasd_process import FaasdTestCase, Reply, connect, curl, read_to_end

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "posture.json")
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CALL_TABLES = ("namespace_calls", "mount_calls", "process_calls", "kernel_calls", "terminal_calls",
               "foreign_calls", "sockets")
NAMESPACES = ("pid", "mnt", "net", "ipc", "uts", "cgroup", "user")
DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty"))
IDS_OF_A_FUNCTION = 65_536
FIRST_UNPRIVILEGED = 65_536  # below it are the host's own users


def normal_mount(line):
    """One line of mountinfo without numbers of this machine, and without where it comes from."""
    fields = line.split(" ")
    kind = fields[fields.index("-") + 1]
    options = sorted(option for option in fields[-1].split(",")
                     if not re.match(r"(r[ow]$|inode|subvol|huge)", option))
    options = [re.sub(r"^([ug]id)=\d+$", r"\1=HOST", option) for option in options]
    point = fields[4]
    if point in DEVICES:  # the host's own node, on a mount like the host's
        return {"at": point}
    if point in ("/", "/control.sock"):  # on any file system of the host's
        return {"at": point, "with": sorted(fields[5].split(","))}
    return {"at": point, "kind": kind, "with": sorted(fields[5].split(",")), "super": options}


def is_masked(point):
    """Which of these a machine has depends on its kernel; C6 looks at each."""
    return point.startswith(("/proc/", "/sys/"))


def normal_env(entry):
    return re.sub(r"^HOSTNAME=.*", "HOSTNAME=ID", entry)


def posture(seen):
    """What is the same on every machine."""
    report = seen["report"]
    calls = {table: seen[table] for table in CALL_TABLES}
    if platform.machine() != "x86_64":
        calls["foreign_calls"] = {"32 bit": "killed", "x32": "killed"}
    return {
        "threads": seen["threads"],
        "uid": report["uid"], "gid": report["gid"], "groups": report["groups"],
        "pid": report["pid"], "ppid": report["ppid"], "umask": report["umask"],
        "cwd": report["cwd"],
        "hostname": re.sub(r"^[0-9a-f]{16,64}$", "ID", report["hostname"]),
        "env": sorted(map(normal_env, report["env"])),
        "fds": {number: re.sub(r"\[\d+\]", "[N]", target)
                for number, target in report["fds"].items()},
        "namespaces": sorted(report["namespaces"]),
        "mounts": sorted((normal_mount(line) for line in report["mountinfo"]
                          if not is_masked(line.split(" ")[4])), key=lambda mount: mount["at"]),
        "cgroup": sorted({line.split(":", 2)[2] for line in report["cgroup"]}),
        "limits": {name: re.search(rf"^{name} +(\S+) +(\S+)", "\n".join(report["limits"]),
                                   re.MULTILINE).groups()
                   for name in ("Max open files", "Max core file size", "Max processes",
                                "Max pending signals", "Max msgqueue size", "Max file size")},
        "network_interfaces": sorted(report["network_interfaces"]),
        # The runtime links /dev/core to /proc/kcore where the kernel has one; C6 looks at that.
        "devices": sorted(set(report["devices"]) - {"core"}),
        "device_nodes": seen["device_nodes"],
        "create": report["create"],
        **calls,
    }


class ThePosture(FaasdTestCase):
    """One container that looked around, for all tests that only read what it saw."""

    @classmethod
    def setUpClass(cls):
        cls.seen = None

    def look(self):
        if self.seen is None:
            faasd = self.start()
            address = faasd.deploy("probe", images.probe(), "--tmpfs", "8M")
            type(self).seen = curl(address).json()
        return self.seen

    def test_C1_is_the_golden_one(self):
        now = json.dumps(posture(self.look()), indent=1, sort_keys=True).splitlines()
        if os.environ.get("FAASD_RENEW_POSTURE"):
            with open(GOLDEN, "w", encoding="utf-8") as file:
                file.write("\n".join(now) + "\n")
        with open(GOLDEN, encoding="utf-8") as file:
            golden = file.read().splitlines()
        difference = "\n".join(difflib.unified_diff(golden, now, "posture.json", "seen", n=2,
                                                    lineterm=""))
        self.assertEqual(difference, "", "the posture changed; if it should, run this test once "
                         "with FAASD_RENEW_POSTURE=1 and commit posture.json")

    def test_C1_holds_for_every_thread(self):
        threads = self.look()["threads"]
        self.assertEqual(len(threads), 3)
        for thread in threads:
            self.assertEqual((thread["NoNewPrivs"], thread["Seccomp"]), ("1", "2"))

    def test_C2_leaks_no_descriptor(self):
        fds = {int(number): target for number, target in self.look()["report"]["fds"].items()}
        self.assertEqual(sorted(fds)[:3], [0, 1, 2])
        self.assertEqual([target for number, target in fds.items()
                          if number > 2 and not target.startswith("socket:")], [])
        self.assertEqual(len(fds), 4, fds)  # the probe has closed the control socket

    def test_C3_has_no_capability_in_any_set_of_any_thread(self):
        for thread in self.look()["threads"]:
            for line in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(thread[line], 16), 0, line)

    def test_C6_masked_paths_are_empty_and_others_read_only(self):
        seen = self.look()
        for path, result in seen["reads"].items():
            self.assertIn(result, ("empty", "ENOENT", "EACCES"), path)
        for path, result in seen["writes"].items():
            if path != "/proc/self/oom_score_adj":  # its own, and only upwards
                self.assertIn(result, ("EROFS", "EACCES", "ENOENT", "EPERM"), path)

    def test_C8_writes_to_small_nosuid_nodev_tmpfs_only(self):
        writable = {}
        for line in self.look()["report"]["mountinfo"]:
            fields = line.split(" ")
            if "rw" in fields[5].split(",") and not is_masked(fields[4]) and (
                    fields[4] not in DEVICES):
                writable[fields[4]] = line
        for point, line in writable.items():
            options = line.split(" ")[5].split(",")
            self.assertIn("nosuid", options, line)
            if not point.startswith("/dev"):
                self.assertIn("nodev", options, line)
        for point in ("/tmp", "/dev/shm"):
            self.assertIn("size=8192k", writable[point])

    def test_C9_has_default_devices_and_cannot_make_more(self):
        seen = self.look()
        self.assertLessEqual(set(seen["device_nodes"]),
                             {os.path.basename(device) for device in DEVICES})
        for what in ("mknod memory", "mknod disk", "mknod whiteout"):
            self.assertIn(seen["mount_calls"][what], ("EPERM", "ENOSYS"), what)

    def test_C10_dangerous_calls_fail(self):
        seen = self.look()
        harmless = {"clone", "mknod fifo", "unix", "tcp", "tcp6", "udp", "routing"}
        for table in CALL_TABLES:
            for what, result in seen[table].items():
                if what not in harmless:
                    self.assertNotIn(result, ("ok", None), f"{table}: {what}")
        self.assertEqual(seen["namespace_calls"]["clone3"], "ENOSYS")
        self.assertEqual(seen["namespace_calls"]["clone user"], "EPERM")
        self.assertEqual(set(seen["foreign_calls"].values()) - {"killed"}, set())

    def test_C12_has_no_terminal_to_type_into(self):
        calls = self.look()["terminal_calls"]
        for what in ("TIOCSTI on a terminal", "TIOCSTI on stdin", "TIOCSTI with high bits",
                     "TIOCLINUX", "TIOCSETD"):
            self.assertIn(calls[what], ("EPERM", "ENOSYS"), what)
        self.assertEqual(calls["open /dev/tty"], "ENXIO")


class TwoContainers(FaasdTestCase):
    def both(self, faasd, addresses):
        """What two containers see that exist at the same time."""
        with connect(addresses[0]) as held:
            # Once its program runs it has its namespaces, and keeps them until it is asked.
            faasd.log.wait_until(lambda: any(machine.command_of(pid).startswith("/probe")
                                             for pid in faasd.containers()), "no probe started")
            second = curl(addresses[1]).json()
            held.sendall(REQUEST)
            return Reply(read_to_end(held)).json(), second

    def test_C4_share_no_namespace_with_each_other_or_the_host(self):
        faasd = self.start()
        address = faasd.deploy("probe", images.probe())
        one, two = self.both(faasd, (address, address))
        for name in NAMESPACES:
            with self.subTest(namespace=name):
                ids = {os.readlink(f"/proc/self/ns/{name}"),
                       *(seen["report"]["namespaces"][name] for seen in (one, two))}
                self.assertEqual(len(ids), 3)

    def test_C5_are_other_unprivileged_users_on_the_host(self):
        faasd = self.start()
        addresses = [faasd.deploy(name, images.probe()) for name in ("one", "two")]
        ranges = []
        for seen in self.both(faasd, addresses):
            for which in ("uid_map", "gid_map"):
                inside, outside, count = map(int, " ".join(seen["report"][which]).split())
                self.assertEqual((inside, count), (0, IDS_OF_A_FUNCTION), which)
                self.assertGreaterEqual(outside, FIRST_UNPRIVILEGED)
            ranges.append(range(outside, outside + count))
        self.assertFalse(set(ranges[0]) & set(ranges[1]), ranges)

    def test_C7_leave_their_root_as_it_was(self):
        faasd = self.start()
        address = faasd.deploy("probe", images.probe())
        before = self.digest(faasd.rootfs("probe"))
        self.assertEqual(curl(address).json()["report"]["create"]["/"], "EROFS")
        self.assertEqual(self.digest(faasd.rootfs("probe")), before)

    @staticmethod
    def digest(root):
        """Names, kinds, owners, sizes and times of change of all that is in a tree."""
        found = []
        for name in ["."] + machine.tree(root):
            status = os.lstat(os.path.join(root, name))
            found.append((name, status.st_mode, status.st_uid, status.st_size, status.st_ctime_ns))
        return found


if __name__ == "__main__":
    unittest.main()
