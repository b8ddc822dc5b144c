"""What every test of a hostile import needs: a daemon with one good function, canaries around it,
and the check that whatever comes of an import, nothing else has changed."""

import collections
import contextlib
import json
import os
from pathlib import Path

import faasd_process
import images
import machine
from faasd_process import FaasdTestCase
from image_tar import ImageTar
from image_tree import tree_of_directory

IMPORT_S = 60  # the largest of all takes 10 s on an idle machine
MOUNT_POINTS = ("proc", "sys", "dev", "tmp")
# What an import, and a call of what came of it, may add to; everything below that was there before
# stays as it was.
GROWING = (b"images", b"layers", b"trees", b"functions", b"staging", b"journal")


def image(*layers, **config):
    """An image of these layers and, above them, of one with the program."""
    return ImageTar([*layers, [images.program("hello")]],
                    {"Entrypoint": ["/hello"], **config}).build()


def shape_of(rootfs):
    """{name: content, "-> target" or None for a directory}, without what every image has."""
    found = {}
    for name, node in tree_of_directory(rootfs).items():
        text = name.decode("utf-8", "surrogateescape")
        if text in ("", "hello", "control.sock", *MOUNT_POINTS):
            continue
        if node.kind == "directory":
            found[text] = None
        elif node.kind == "symlink":
            found[text] = "-> " + os.fsdecode(node.target)
        else:
            with open(os.path.join(os.fsencode(rootfs), name), "rb") as content:
                found[text] = content.read()
    return found


class ImportTestCase(FaasdTestCase):
    directory = None  # one of the daemon's own

    def setUp(self):
        super().setUp()
        self.faasd = self.start(directory=self.directory)
        self.make_canary()
        self.faasd.deploy("good")
        self.footprint = self.settled_footprint()  # and nothing on its way out of staging
        self.before = self.outside()
        self.disk = self.disk_usage()

    def settled_footprint(self):
        """What it holds once the connections of our own calls are closed at its end as well."""
        self.faasd.idle_footprint()
        looks = collections.deque(maxlen=5)

        def is_settled():
            looks.append(self.faasd.footprint())
            return len(looks) == looks.maxlen and all(each == looks[0] for each in looks)
        self.faasd.log.wait_until(is_settled, "its footprint goes on changing")
        return looks[0]

    def make_canary(self):
        """What every way out would find first: beside the state directory, and above it."""
        for parent in (self.faasd.directory, self.faasd.state_dir):
            etc = os.path.join(parent, "outside", "etc")
            os.makedirs(etc)
            for name in ("passwd", "shadow", "x"):
                path = os.path.join(etc, name)
                Path(path).write_text("canary\n", encoding="ascii")
                os.chown(path, 7, 8)
                os.chmod(path, 0o640)
                os.setxattr(path, "user.canary", b"alive")
                os.utime(path, (1, 1))
            os.utime(etc, (2, 2))

    def outside(self):
        """All below the daemon's directory, with everything that a file has; and some of the host's
        own names."""
        while True:
            try:
                tree = tree_of_directory(self.faasd.directory)
                break
            except FileNotFoundError:
                continue  # what was removed is on its way out of staging
        run_dir = os.path.basename(os.fsencode(self.faasd.run_dir))
        found = {name: node for name, node in tree.items() if name.split(b"/")[0] != run_dir}
        for name in GROWING:
            found.pop(b"state/" + name).mtime_ns = 0
        found.pop(b"state").mtime_ns = 0
        host = {path: (sorted(os.listdir(path)), os.stat(path).st_mode) for path in ("/", "/etc")}
        for path in ("/etc/passwd", "/etc/shadow", "/etc/group"):
            status = os.lstat(path)
            host[path] = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_size)
        return found, host

    def disk_usage(self):
        return sum(os.lstat(os.path.join(self.faasd.state_dir, name)).st_blocks
                   for name in machine.tree(self.faasd.state_dir))

    def attempt(self, archive):
        """(code or None, status, the answer) of a deploy as "bad"."""
        with contextlib.closing(faasd_process.UnixConnection(self.faasd.socket)) as connection:
            connection.connect()
            connection.sock.settimeout(IMPORT_S)
            with contextlib.suppress(BrokenPipeError):  # it may answer before it has read all
                connection.request("PUT", "/v1/functions/bad", archive)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        self.assertEqual(self.faasd.process.poll(), None, self.faasd.log.tail())
        return body.get("code"), answer.status, body

    def assert_nothing_outside_changed(self):
        tree, host = self.outside()
        for name, node in self.before[0].items():
            self.assertIn(name, tree)
            node = vars(node) | {"names": None}  # "hello" may have got one more name
            self.assertEqual(vars(tree[name]) | {"names": None}, node, name)
        self.assertEqual(host, self.before[1])
        new = {name for name in tree if name not in self.before[0]}
        self.assertEqual({name for name in new
                          if not name.startswith(tuple(b"state/" + each for each in GROWING))},
                         set(), "something new stands outside")

    def assert_as_before(self):
        """Nothing stays of what was refused or removed."""
        self.faasd.log.wait_until(
            lambda: not machine.tree(os.path.join(self.faasd.state_dir, "staging")),
            "staging is not empty")
        (tree, host), (old_tree, old_host) = self.outside(), self.before
        self.assertEqual(sorted(tree), sorted(old_tree))
        for name, node in old_tree.items():
            self.assertEqual(vars(tree[name]), vars(node), name)
        self.assertEqual(host, old_host)
        self.assertEqual(self.disk_usage(), self.disk)
        self.assertEqual(list(self.faasd.api("GET", "/api/list")[2]), ["good"])
        self.faasd.wait_for_footprint(self.footprint)

    def assert_refused(self, archive, *codes):
        code, status, body = self.attempt(archive)
        self.assertIn(code, codes, body)
        self.assertEqual(status, 413 if code == "too_large" else 400, body)
        self.assertNotIn("\n", body["error"])
        self.assert_as_before()
        return body["error"]

    def deploy(self, archive):
        """The root filesystem of an image that is taken, while nothing outside has changed."""
        code, status, body = self.attempt(archive)
        self.assertIsNone(code, body)
        self.assertIn(status, (200, 201))
        self.assert_nothing_outside_changed()
        return self.faasd.rootfs("bad")

    def remove(self):
        self.faasd.faas("rm", "bad", check=True)
        self.assert_as_before()

    def assert_shape(self, archive, shape):
        self.assertEqual(shape_of(self.deploy(archive)), shape)
        self.remove()

    def check(self, rows):
        """(what, layers or an archive, the code of the refusal, or several, or the shape of the
        tree, or None: either will do)"""
        for what, layers, expected in rows:
            with self.subTest(what):
                archive = layers if isinstance(layers, bytes) else image(*layers)
                if isinstance(expected, dict):
                    self.assert_shape(archive, expected)
                elif expected is not None:
                    self.assert_refused(archive, *expected.split())
                else:
                    code, status, body = self.attempt(archive)
                    self.assertIn(status, (200, 201, 400, 413), body)
                    self.assert_nothing_outside_changed()
                    if code is None:
                        self.remove()
                    self.assert_as_before()
