"""Who a container's users are on the host: nobody. SAFETY C4 (the user namespace) and C5."""

import os
import subprocess
import unittest

import images
import machine
from faasd_process import (HELLO_TAR, LAUNCHER, FaasdTestCase, Reply, connect, curl,
                           read_to_end)
from image_tar import directory, file

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
FIRST_HOST_ID = 0x5000_0000
IDS = 65_536
FIRST_SLOT_ID = 0x7800_0000  # of those that the native launcher gives, one range to each container
NOBODY = 65_534

PASSWD = b"root:x:0:0::/:/x\napp:x:70000:70001:the app:/home/app:/x\n"
GROUP = b"root:x:0:\napp:x:70001:\nstaff:x:50:app\nfar:x:2000000000:app\n"
ACCOUNTS = (directory("etc"), file("etc/passwd", PASSWD), file("etc/group", GROUP))


def identity(report):
    return report["uid"], report["gid"], sorted(set(report["groups"]) - {report["gid"]})


def hello_pids(faasd):
    return [pid for pid in faasd.containers() if machine.command_of(pid) == "/hello"]


class Root(FaasdTestCase):
    def host_identity(self, faasd, name):
        """What the host says of the first process of an instance that waits for its request."""
        address = faasd.deploy(name, HELLO_TAR)
        with connect(address) as held:
            pid, = faasd.log.wait_until(lambda: hello_pids(faasd), "no container runs")
            status = dict(line.split(":\t", 1)
                          for line in open(f"/proc/{pid}/status").read().splitlines()
                          if ":\t" in line)
            groups = status["Groups"].split()
            held.sendall(REQUEST)
            self.assertEqual(Reply(read_to_end(held)).status, 200)
        faasd.log.wait_until(lambda: not faasd.containers(), "the container stays")
        return {int(word) for word in status["Uid"].split() + status["Gid"].split() + groups}

    def assert_range(self, ids, number):
        """These ids of the host are the first of that function's range, or else of a slot's."""
        first, = ids
        if LAUNCHER == "native":
            self.assertGreaterEqual(first, FIRST_SLOT_ID)
            self.assertEqual(first % IDS, 0)
        else:
            self.assertEqual(first, FIRST_HOST_ID + number * IDS)

    def test_of_a_container_is_an_unprivileged_user_of_the_host_another_one_for_each_function(self):
        faasd = self.start()
        self.assert_range(self.host_identity(faasd, "one"), 0)
        self.assert_range(self.host_identity(faasd, "two"), 1)
        self.assertEqual(faasd.describe("two")["host_ids"],
                         {"first": FIRST_HOST_ID + IDS, "count": IDS})

    def test_keeps_its_ids_over_a_restart_and_gives_them_back_when_it_is_removed(self):
        faasd = self.start()
        for name in ("one", "two"):
            faasd.deploy(name, HELLO_TAR)
        faasd.stop()
        faasd = self.restart(faasd)
        self.assert_range(self.host_identity(faasd, "two"), 1)
        faasd.faas("rm", "one")
        self.assert_range(self.host_identity(faasd, "three"), 0)

    def test_is_root_inside_and_nobody_else_exists(self):
        faasd = self.start()
        report = curl(faasd.deploy("report", images.misbehave("report"))).json()
        self.assertEqual(identity(report), (0, 0, []))
        for kind in ("uid_map", "gid_map"):
            (inside, outside, count), = [line.split() for line in report[kind]]
            self.assertEqual((inside, count), ("0", str(IDS)))
            self.assert_range({int(outside)}, 0)

    def test_on_the_host_can_enter_no_directory_of_faasd(self):
        faasd = self.start()
        address = faasd.deploy("hello", HELLO_TAR)
        self.assertEqual(curl(address).status, 200)
        for path in (faasd.state_dir, faasd.run_dir):
            with self.subTest(path=path):
                self.assertNotEqual(self.as_container_root(faasd, "ls", path), 0)
        # Where root filesystems are mounted, names can be walked through but not listed.
        self.assertNotEqual(self.as_container_root(faasd, "ls", "/dev/shm"), 0)
        views = set(os.listdir(f"/proc/{faasd.process.pid}/root/dev/shm")) - {"own"}
        self.assertNotEqual(self.as_container_root(faasd, "ls", "/dev/shm/own"), 0)
        self.assertEqual(bool(views), LAUNCHER != "native")  # which mounts nothing in advance
        for view in views:
            self.assertEqual(self.as_container_root(faasd, "ls", f"/dev/shm/{view}"), 0)

    @staticmethod
    def as_container_root(faasd, *command):
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{faasd.process.pid}/ns/mnt", "setpriv",
             f"--reuid={FIRST_HOST_ID}", f"--regid={FIRST_HOST_ID}", "--clear-groups",
             "--bounding-set=-all", *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


class AnImage(FaasdTestCase):
    def report(self, *entries, **config):
        if not hasattr(self, "faasd"):
            self.faasd = self.start()
        return curl(self.faasd.deploy("report", images.misbehave("report", entries=entries,
                                                                 **config))).json()

    def test_runs_as_the_user_that_it_names_however_high_its_number(self):
        for user, expected in (("1234:5678", (1234, 5678, [])),
                               ("65535", (65_535, 0, [])),
                               ("app", (70_000, 70_001, [50, 2_000_000_000])),
                               ("app:staff", (70_000, 50, [])),
                               ("1000660000", (1_000_660_000, 0, [])),
                               ("2147483647:2147483646", (2_147_483_647, 2_147_483_646, []))):
            with self.subTest(user=user):
                report = self.report(*ACCOUNTS, User=user)
                self.assertEqual(identity(report), expected)
                self.assertEqual(report["create"]["/tmp"], "ok")
                self.assertEqual(report["reopen_stderr"], "ok")

    def test_sees_its_files_belong_to_whom_it_says_and_read_as_their_mode_says(self):
        entries = [directory("owned")]
        for name, owner, mode in (("root", 0, 0o600), ("own", 1000, 0o600), ("other", 1001, 0o600),
                                  ("open", 1001, 0o604), ("last", 65_535, 0o604),
                                  ("far", 65_536, 0o604), ("far-own", 3_000_000_000, 0o600)):
            entries.append(file(f"owned/{name}", b"x", mode=mode, uid=owner, gid=owner))
        report = self.report(*entries, User="1000:1000")
        self.assertEqual(report["owned"], {
            "root": [0, 0, "EACCES"], "own": [1000, 1000, "ok"], "other": [1001, 1001, "EACCES"],
            "open": [1001, 1001, "ok"], "last": [65_535, 65_535, "ok"],
            "far": [NOBODY, NOBODY, "ok"], "far-own": [NOBODY, NOBODY, "EACCES"]})

    def test_has_no_user_for_files_beyond_its_own_ids_unless_it_runs_as_that_user(self):
        entries = [directory("owned"), file("owned/mine", b"x", mode=0o600, uid=70_000, gid=70_001)]
        report = self.report(*ACCOUNTS, *entries, User="app")
        self.assertEqual(report["owned"], {"mine": [70_000, 70_001, "ok"]})

    def test_of_a_user_in_too_many_groups_of_high_numbers_is_refused(self):
        groups = b"".join(b"g%d:x:%d:app\n" % (n, 100_000 + n) for n in range(65))
        faasd = self.start()
        self.check_refused(faasd, images.misbehave(
            "report", entries=[directory("etc"), file("etc/passwd", PASSWD),
                               file("etc/group", groups)], User="app"), "too_many_groups")

    def check_refused(self, faasd, image, code):
        status, _, body = faasd.api("POST", "/api/new", image, {"X-Image-Name": "greedy"})
        self.assertEqual((status, body["code"]), (400, code))
        self.assertEqual(faasd.api("GET", "/api/list")[2], {})


if __name__ == "__main__":
    unittest.main()
