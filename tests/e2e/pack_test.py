"""Images that `faas pack` makes, judged by those who read images: faasd, a real Docker engine, and
skopeo."""

import io
import json
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile
import unittest

import docker_engine
from faasd_process import FaasdTestCase, binary, curl
from image_tree import tree_of_directory, tree_of_tar

MTIME = 1_500_000_000
# What the kernel calls CAP_NET_RAW, permitted and effective: vfs_cap_data, revision 2.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def fill(root):
    """A directory with one of everything that an image can hold, and of what it cannot."""
    base = os.fsencode(root)

    def put(name, content=b"content", mode=0o644):
        path = os.path.join(base, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)

    shutil.copy(binary("misbehave"), root)
    put(b"etc/secret", mode=0o600)
    put(b"etc/passwd", b"app:x:1234:1234::/:/bin/sh\n")
    put(b"setuid", mode=0o4755)
    put(b"empty", b"")
    put(b"large", os.urandom(1 << 20) * 3 + b"end")
    put(b"/".join(bytes([letter]) * 200 for letter in b"abcd"))
    put(b"latin-\xe9\xff")
    put("utf8-é/€".encode())
    put(b"new\nline \\ 'quoted'")
    with open(os.path.join(base, b"sparse"), "wb") as file:
        file.seek(5 << 20)
        file.write(b"end")
    os.makedirs(os.path.join(base, b"sticky"))
    os.chmod(os.path.join(base, b"sticky"), 0o1777)
    os.link(os.path.join(base, b"etc/secret"), os.path.join(base, b"zz-hard"))
    os.symlink(b"etc/secret", os.path.join(base, b"relative"))
    os.symlink(b"/nowhere/" + b"x" * 300, os.path.join(base, b"absolute"))
    os.setxattr(os.path.join(base, b"etc/secret"), "user.note", b"a\0b\n=c")
    os.setxattr(os.path.join(base, b"misbehave"), "security.capability", CAPABILITY)
    for path, directories, files in os.walk(base, topdown=False):
        for name in directories + files:
            os.utime(os.path.join(path, name), (MTIME, MTIME + 5), follow_symlinks=False)


def add_what_no_image_holds(root):
    os.mkfifo(os.path.join(root, "fifo"))
    os.mknod(os.path.join(root, "null"), 0o020666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.join(root, "sock"))


class APackedDirectory(FaasdTestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="k-"))
        self.root = os.path.join(self.directory, "root")
        self.tar = os.path.join(self.directory, "x.tar")
        os.mkdir(self.root)
        fill(self.root)

    def pack(self, *options, output=None):
        command = [binary("faas"), "pack", self.root, "-o", output or self.tar,
                   "--entrypoint", '["/misbehave", "report"]', "-e", "COLOUR=green",
                   "--workdir", "/etc", "--user", "app", "--tag", "packed:1", *options]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=True)

    def check_tree(self, found, written_to=(), lost_xattrs=()):
        """Everything in the directory is found as it is, and belongs to root."""
        expected = tree_of_directory(self.root)
        for name, node in expected.items():
            if name == b"":
                continue
            with self.subTest(name=name):
                self.assertIn(name, found)
                other = found[name]
                self.assertEqual((other.uid, other.gid), (0, 0))
                for field in ("kind", "mode", "size", "sha256", "target", "names"):
                    self.assertEqual(getattr(other, field), getattr(node, field), field)
                if name not in written_to:
                    self.assertEqual(other.mtime_ns // 10**9, node.mtime_ns // 10**9)
                kept = {key: value for key, value in node.xattrs.items() if key not in lost_xattrs}
                self.assertEqual(other.xattrs, kept)

    def test_is_a_function_with_the_same_tree(self):
        self.pack()
        faasd = self.start()
        address = faasd.deploy("packed", self.tar)
        report = curl(address).json()
        self.assertEqual((report["cwd"], report["uid"]), ("/etc", 1234))
        self.assertIn("COLOUR=green", report["env"])
        self.check_tree(tree_of_directory(faasd.rootfs("packed")))

    def test_goes_down_a_pipe_into_a_function(self):
        faasd = self.start()
        command = [binary("faas"), "pack", self.root, "--entrypoint", "/misbehave",
                   "--cmd", "report"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as packing:
            done = faasd.faas("new", "piped", input=packing.stdout)
        self.assertEqual((packing.returncode, done.returncode), (0, 0), done.stderr)
        self.assertEqual(curl(faasd.ip("piped")).status, 200)

    def test_has_the_same_bytes_again_and_from_a_copy(self):
        self.pack()
        copy = os.path.join(self.directory, "copy")
        subprocess.run(["cp", "-a", self.root, copy], check=True, timeout=60)
        shutil.rmtree(self.root)
        os.rename(copy, self.root)
        again = os.path.join(self.directory, "again.tar")
        self.pack(output=again)
        with open(self.tar, "rb") as one, open(again, "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_holds_no_special_file_and_says_so(self):
        before = self.pack().stdout
        add_what_no_image_holds(self.root)
        done = self.pack()
        self.assertEqual(done.stdout, before)
        for name in ("fifo", "null", "sock"):
            self.assertIn(f"left out {name}: ", done.stderr)

    def test_is_what_docker_loads_exports_and_saves(self):
        self.pack("--label", "k=v")
        engine = docker_engine.DockerEngine(os.path.join(self.directory, "engine"))
        self.addCleanup(engine.stop)
        try:
            engine.start()
        except docker_engine.Unavailable as reason:
            self.skipTest(f"no Docker engine can run here: {reason}")
        self.assertIn("packed:1", engine.load(self.tar))
        inspected = json.loads(engine.client("image", "inspect", "packed:1"))[0]
        with tarfile.open(self.tar) as archive:
            config_name = json.load(archive.extractfile("manifest.json"))[0]["Config"]
        self.assertEqual(inspected["Id"], "sha256:" + config_name.removesuffix(".json"))
        self.assertEqual(inspected["Config"]["Entrypoint"], ["/misbehave", "report"])
        self.assertEqual(inspected["Config"]["WorkingDir"], "/etc")
        self.assertEqual(inspected["Config"]["User"], "app")
        self.assertEqual(inspected["Config"]["Labels"], {"k": "v"})
        container = engine.client("create", "packed:1").strip()
        exported = os.path.join(self.directory, "exported.tar")
        engine.client("export", "-o", exported, container)
        # `docker create` puts files into /etc; `docker export` writes capabilities alone.
        with open(exported, "rb") as stream:
            self.check_tree(tree_of_tar(stream), written_to=(b"etc",), lost_xattrs=("user.note",))
        # Docker has to make the layer's bytes again, to the digest.
        saved = os.path.join(self.directory, "saved.tar")
        engine.save("packed:1", saved)
        address = self.start().deploy("saved", saved)
        self.assertEqual(curl(address).status, 200)

    def test_is_what_skopeo_reads(self):
        if shutil.which("skopeo") is None:
            self.skipTest("skopeo is not installed (Debian package skopeo)")
        self.pack()
        layout = os.path.join(self.directory, "layout")
        subprocess.run(["skopeo", "--insecure-policy", "copy", f"docker-archive:{self.tar}",
                        f"oci:{layout}:packed"], check=True, capture_output=True, timeout=120)
        done = subprocess.run(["skopeo", "inspect", "--config", f"docker-archive:{self.tar}"],
                              check=True, capture_output=True, timeout=120)
        self.assertEqual(json.load(io.BytesIO(done.stdout))["config"]["User"], "app")


if __name__ == "__main__":
    unittest.main()
