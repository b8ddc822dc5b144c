"""The root filesystem of an image is, entry by entry, the one that two others make of it: Docker
(`docker load`, `create`, `export`) and umoci (`skopeo copy`, `umoci unpack`)."""

import collections
import dataclasses
import fnmatch
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import docker_engine
import faasd_process
import images
from faasd_process import FaasdTestCase
from image_tar import (ImageTar, block_device, character_device, directory, fifo, file, hardlink,
                       layer_bytes, opaque, pax_sparse, symlink, whiteout, xattrs)
from image_tree import differences, tree_of_directory, tree_of_tar
from tar_raw import gnu_sparse

# cap_net_bind_service+ep, and the same for the root user 100000 of a user namespace.
CAPABILITY = bytes.fromhex("01000002" "00040000" "00000000" "00000000" "00000000")
NAMESPACED = bytes.fromhex("01000003" "00040000" "00000000" "00000000" "00000000" "a0860100")

# What the container mounts over is empty in ours, whatever the image has there.
MOUNT_POINTS = (b"proc", b"sys", b"dev", b"tmp", b"control.sock")

Known = collections.namedtuple("Known", "reference image path fields reason")
# All that may differ. `path` is a shell pattern over the name's Latin-1 text; "" is the root.
KNOWN = (
    Known("*", "special files", "special/*", "there",
          "no device node, fifo or socket is made: SAFETY I14"),
    Known("*", "built", "app/fifo-that-stays", "there", "the same"),
    Known("*", "implied directories", "new*", "mtime_ns",
          "no layer says when it was changed: each takes the time of unpacking"),
    Known("umoci", "implied directories", "", "mtime_ns",
          "it does not restore the time of a directory in which it made an implied one"),
    Known("umoci", "names", "", "mtime_ns", "the same"),
    Known("umoci", "built", "", "mtime_ns",
          "no layer of docker build speaks of the root: umoci chose 1970, we the import"),
    Known("umoci", "debian", "", "mtime_ns", "the same"),
    Known("umoci", "attributes", "trusted", "xattrs", "we never set trusted.*, umoci does"),
    Known("umoci", "times", "?-farther", "mtime_ns",
          "Go counts nanoseconds in 64 bits, which end in 2262"),
    Known("docker", "times", "?-farther", "mtime_ns", "the same"),
    Known("docker", "times", "?-*before", "mtime_ns", "it replaces times before 1970 by 1970"),
    Known("docker", "attributes", "able-in-a-namespace", "xattrs",
          "docker export takes the namespace's root out of a capability"),
    Known("docker", "*", "", "there", "docker export writes no entry for the root"),
    Known("docker", "*", ".dockerenv", "there", "docker create makes it"),
    Known("docker", "*", "etc", "there mtime_ns", "docker create puts files there"),
    *(Known("docker", "*", f"etc/{name}", "*", "docker create makes it")
      for name in ("hosts", "hostname", "resolv.conf", "mtab")),
)


class Umoci:
    name = "umoci"

    def __init__(self, directory):
        for program in ("umoci", "skopeo"):
            if shutil.which(program) is None:
                raise docker_engine.Unavailable(f"{program} is not installed "
                                                f"(Debian package {program})")
        self.directory = directory

    def tree(self, archive):
        with tempfile.TemporaryDirectory(dir=self.directory) as parent:
            for command in (
                    ["skopeo", "copy", "--quiet", "--insecure-policy", f"docker-archive:{archive}",
                     f"oci:{parent}/layout:image"],
                    ["umoci", "unpack", "--image", f"{parent}/layout:image", f"{parent}/bundle"]):
                done = subprocess.run(command, capture_output=True, text=True,
                                      env={**os.environ, "TMPDIR": parent})
                if done.returncode != 0:
                    raise AssertionError(f"{command}: {done.stderr}")
            return tree_of_directory(f"{parent}/bundle/rootfs")

    def stop(self):
        pass

    @staticmethod
    def as_shown(node):
        """What it would show of this node."""
        return node


class Docker:
    name = "docker"

    def __init__(self, directory):
        self.engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
        self.engine.start()

    def tree(self, archive):
        loaded = self.engine.load(archive).rpartition("image: ")[2].split("ID: ")[-1].strip()
        container = self.engine.client("create", loaded, "none").strip()
        try:
            exported = os.path.join(self.engine.directory, "exported.tar")
            self.engine.client("export", "-o", exported, container)
            with open(exported, "rb") as stream:
                return tree_of_tar(stream)
        finally:
            self.engine.client("rm", container)
            self.engine.client("rmi", "-f", loaded)

    def stop(self):
        self.engine.stop()

    @staticmethod
    def as_shown(node):
        """docker export writes whole seconds, and no attribute but this one."""
        kept = {name: value for name, value in node.xattrs.items()
                if name == "security.capability"}
        return dataclasses.replace(node, mtime_ns=node.mtime_ns // 10**9 * 10**9, xattrs=kept)


class TreeTestCase(FaasdTestCase):
    """One of each reference for a class; who cannot run here is told of by one skipped test."""

    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="t-"))
        cls.references, cls.missing = [], []
        for kind in (Umoci, Docker):
            try:
                reference = kind(cls.directory)
            except docker_engine.Unavailable as reason:
                cls.missing.append(str(reason))
                continue
            cls.references.append(reference)
            cls.addClassCleanup(reference.stop)

    def compare(self, image, archive, without=()):
        """Deploys the archive and compares with every reference but those in `without`."""
        trees = {reference: reference.tree(archive) for reference in self.references
                 if reference.name not in without}
        faasd = self.start()
        faasd.deploy("image", str(archive))
        ours = tree_of_directory(faasd.rootfs("image"))
        found = []
        for reference, theirs in trees.items():
            shown = {name: reference.as_shown(node) for name, node in ours.items()}
            for name, field, own, other in differences(shown, theirs):
                if name.split(b"/")[0] in MOUNT_POINTS:
                    continue
                if not is_known(reference.name, image, name, field):
                    found.append(f"{reference.name}: {name!r} {field}: "
                                 f"ours {own!r}, theirs {other!r}")
        self.assertEqual(found, [], "\n" + "\n".join(found[:40]))
        return ours


def is_known(reference, image, name, field):
    return any(known.reference in ("*", reference) and known.image in ("*", image)
               and fnmatch.fnmatchcase(name.decode("latin-1"), known.path)
               and (known.fields == "*" or field in known.fields.split())
               for known in KNOWN)


class ATreeMadeByHand(TreeTestCase):
    def check(self, image, *layers, without=()):
        path = os.path.join(self.directory, "image.tar")
        archive = ImageTar([[directory("./"), images.program("hello")], *layers],
                           {"Entrypoint": ["/hello"]}, name="tree:1")
        archive.write(path)
        return self.compare(image, path, without)

    def test_with_whiteouts(self):
        self.check("whiteouts", [
            directory("a"), file("a/1", b"1"), file("a/2", b"2"), directory("a/b"),
            file("a/b/c", b"c"), file("top", b"t"), symlink("link", "a"), file("back", b"1"),
        ], [
            directory("a", mtime=5), whiteout("a/1"), whiteout("a/b"), whiteout("top"),
            whiteout("link"), whiteout("back"),
        ], [
            file("back", b"2"), directory("a", mtime=6), directory("a/b"), file("a/b/new", b"n"),
        ])

    def test_with_opaque_directories(self):
        self.check("opaque directories", [
            directory("a"), file("a/old"), directory("a/deep"), file("a/deep/old"),
            directory("b", mode=0o700, uid=7), file("b/old"),
        ], [
            directory("a", mode=0o711, mtime=9), opaque("a"), file("a/new", b"n"),
            directory("a/deep"), file("a/deep/new"),
            # The marker may stand behind what it must not hide.
            directory("b", mode=0o750, uid=8), file("b/new"), opaque("b"),
        ])

    def test_with_a_file_that_becomes_a_directory_and_back(self):
        self.check("kinds", [
            file("a", b"1"), directory("b"), file("b/x"), directory("c"), file("c/x"),
            symlink("d", "c"), file("e", b"1"), directory("f"), file("f/x"),
        ], [
            directory("a", mtime=3), file("a/x", b"2"), file("b", b"file"), symlink("c", "a"),
            directory("d"), file("d/own"), symlink("e", "a/x"), file("f", b"1"),
        ], [
            file("a", b"3"), directory("b"), file("b/y"), directory("c"), file("c/y"),
            file("d", b"4"), file("e", b"5"), directory("f"),
        ])

    def test_with_hard_links(self):
        # Each name's header says the same of the inode, as every program writes it: Docker takes
        # the last one's word.
        same = {"mode": 0o640, "uid": 3, "gid": 4, "mtime": 77}
        tree = self.check("hard links", [
            file("a", b"a" * 5000, **same), hardlink("b", "a", **same),
            directory("d"), hardlink("d/c", "a", **same), hardlink("d/e", "d/c", **same),
            symlink("s", "a"), hardlink("t", "s", mode=0o777), file("x", b"x"), hardlink("y", "x"),
        ], [
            # One name goes, another one gets a content of its own: the others keep theirs.
            file("b", b"other"), whiteout("y"), file("n", b"n"), hardlink("m", "n"),
        ])
        self.assertEqual(tree[b"a"].names, {b"a", b"d/c", b"d/e"})

    def test_with_many_hard_links(self):
        self.check("many hard links", [
            directory("d"), file("d/0", b"many"),
            *(hardlink(f"d/{number}", "d/0") for number in range(1, 1000)),
        ])

    def test_with_symbolic_links(self):
        self.check("symbolic links", [
            directory("d"), symlink("absolute", "/d"), symlink("relative", "d"),
            symlink("d/up", "../../../d"), symlink("dangling", "no/such/name"),
            symlink("one", "two"), symlink("two", "one"), symlink("self", "self"),
            symlink("long", "x/" * 1500), symlink("odd", "new\nline \\ \udcff"),
            symlink("owned", "d", uid=12, gid=34, mtime=1_234_567),
        ], [
            symlink("relative", "absolute"),
        ])

    def test_with_every_mode(self):
        self.check("modes", [
            file("none", b"0", mode=0), file("setuid", mode=0o4755), file("setgid", mode=0o2711),
            file("both", mode=0o6777, uid=1000, gid=1000), file("sticky", mode=0o1644),
            file("all", mode=0o7777), directory("d0", mode=0), directory("shared", mode=0o1777),
            directory("group", mode=0o2775, gid=50), file("group/x", uid=1, gid=2),
            *(file(f"m{mode:03o}", mode=mode) for mode in range(0, 0o777, 0o37)),
        ], [
            file("setuid", mode=0o755), file("all", mode=0o000), directory("d0", mode=0o755),
        ])

    def test_with_owners_beyond_16_bits(self):
        ids = (1, 65_534, 65_535, 65_536, 2**21 - 1, 2**21, 2**21 + 5, 2**31 - 1, 2**31,
               2**32 - 2)
        self.check("owners", [
            *(file(f"f{n}", uid=n, gid=ids[-1] - n if n > 9 else n, mode=0o4711) for n in ids),
            *(directory(f"d{n}", uid=n, gid=n) for n in ids),
            *(symlink(f"s{n}", "x", uid=n, gid=n) for n in ids),
            file("gnu", uid=2**21 + 9, gid=2**31 + 9, format=tarfile.GNU_FORMAT),
        ])

    def test_with_times_of_every_kind(self):
        times = {"ns": "1600000000.123456789", "epoch": "0", "one": "0.000000001",
                 "before": "-1", "long-before": "-1000000000.5", "far": "7258118400",
                 "farther": "13569465600.25"}
        self.check("times", [
            *(file(f"f-{name}", pax={"mtime": time}) for name, time in times.items()),
            *(directory(f"d-{name}", pax={"mtime": time}) for name, time in times.items()),
            *(file(f"d-{name}/x") for name in times),
            *(symlink(f"s-{name}", "x", pax={"mtime": time}) for name, time in times.items()),
        ], [
            directory("d-ns", mtime=42), file("d-ns/later", mtime=43),
            directory("d-ns/made", mtime=44), file("d-ns/made/x", mtime=45),
        ])

    def test_with_extended_attributes(self):
        tree = self.check("attributes", [
            file("user", pax=xattrs(user_a=b"1", user_b=b"", user_c=b"\0\xff" * 40)),
            directory("d", pax=xattrs(user_d=b"of a directory")),
            file("able", b"x", mode=0o755, pax=xattrs(security_capability=CAPABILITY)),
            file("able-in-a-namespace", b"x", mode=0o755,
                 pax=xattrs(security_capability=NAMESPACED)),
            file("able-and-owned", b"x", mode=0o755, uid=5,
                 pax=xattrs(security_capability=CAPABILITY)),
            file("trusted", pax=xattrs(trusted_overlay=b"y", user_a=b"kept")),
        ], [
            file("user", pax=xattrs(user_z=b"alone")),
            directory("d", pax=xattrs(user_e=b"instead")),
        ])
        self.assertEqual(tree[b"able"].xattrs, {"security.capability": CAPABILITY})
        self.assertEqual(tree[b"trusted"].xattrs, {"user.a": b"kept"})

    PIECES = [(1 << 20, b"a" * 512), (3 << 20, b"b" * 1024), (7 << 20, b"c" * 512)]

    def test_with_sparse_files_of_pax(self):
        self.check("sparse files", [
            pax_sparse("sparse", 8 << 20, self.PIECES, mode=0o600, mtime=5),
            pax_sparse("only-a-hole", 1 << 20, []),
            directory("d"), pax_sparse("d/ends-in-content", (4 << 20) + 3, [(4 << 20, b"end")]),
            file("dense", bytes(1 << 16)),
        ])

    def test_with_sparse_files_of_old_gnu_tar(self):
        # Neither reference knows such an entry ("unknown typeflag"); GNU tar, who made it up, does.
        many = [(n * 8192, b"d" * 512) for n in range(100)]
        layer = [gnu_sparse("sparse", 8 << 20, self.PIECES), file("between", b"1"),
                 gnu_sparse("long-map", 8 << 20, many), file("last", b"2")]
        tree = self.check("old sparse files", layer, without=["umoci", "docker"])
        with tempfile.TemporaryDirectory(dir=self.directory) as parent:
            subprocess.run(["tar", "-x", "-C", parent], input=layer_bytes(layer), check=True)
            found = [(name, field, own, other) for name, field, own, other
                     in differences(tree, tree_of_directory(parent))
                     if name.split(b"/")[0] not in (b"", b"hello", *MOUNT_POINTS)]
        self.assertEqual(found, [])

    def test_with_long_and_odd_names(self):
        long = "/".join(f"{letter * 200}" for letter in "abcdef")
        parents = [long[:n * 201 - 1] for n in range(1, 7)]
        odd = ("new\nline", "back\\slash", "\udcff\udcfe", "tab\t", "bell\a", "-rf", " ", "a b ",
               "'\"$`", "*?[x]", "naïve-日本", "c" * 255, "....", "..a", "#", "\x7f")
        self.check("names", [
            *(directory(path) for path in parents), file(f"{long}/pax", b"p"),
            file(f"{long}/gnu", b"g", format=tarfile.GNU_FORMAT),
            symlink("to-far", f"{long}/pax", format=tarfile.GNU_FORMAT),
            hardlink("hard", f"{long}/pax", format=tarfile.GNU_FORMAT),
            hardlink("hard-pax", f"{long}/gnu"),
            directory("odd"), *(file(f"odd/{name}", name.encode("utf-8", "surrogateescape"))
                                for name in odd),
            directory("raw"), *(file(f"raw/{name}", b"r", format=tarfile.GNU_FORMAT)
                                for name in odd),
            file("./dots/.//x"), directory("dots/./"),
        ], [
            directory("odd", mtime=1), whiteout("odd/new\nline"),
            directory("raw", mtime=1), whiteout("raw/\udcff\udcfe"),
        ])

    def test_with_empty_layers_and_a_layer_twice(self):
        twice = [file("t", b"t"), directory("d"), file("d/x", b"1")]
        self.check("empty layers", [], twice, [], [whiteout("t"), file("d/x", b"2")], twice, [])

    def test_with_directories_that_are_only_implied(self):
        self.check("implied directories", [
            directory("usr"), directory("usr/lib", mode=0o750, uid=9, mtime=11),
            file("usr/lib/base"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib"),
            directory("kept", mode=0o711, uid=1, gid=2, mtime=12), file("kept/a"),
        ], [
            file("lib/added", b"x"), file("abs/more", b"y"), file("kept/b"), file("new/deep/c"),
            whiteout("lib/base"),
        ], without=["docker"])  # overlay2 unpacks a layer alone: /lib becomes a directory there

    def test_with_a_file_replaced_in_an_upper_layer(self):
        self.check("replaced", [
            file("f", b"one", mode=0o4755, uid=1, gid=1, mtime=1, pax=xattrs(user_a=b"1")),
            file("g", b"same", mode=0o600), directory("d", mode=0o700, uid=5, mtime=5),
            file("d/x"),
            hardlink("h", "f", mode=0o4755, uid=1, gid=1, mtime=1, pax=xattrs(user_a=b"1")),
        ], [
            file("f", b"two, longer", mode=0o600, uid=2, gid=3, mtime=2),
            file("g", b"same", mode=0o644, mtime=9), directory("d", mode=0o755, uid=6, mtime=6),
        ], [
            file("g", b"", mode=0o400),
        ])

    def test_with_one_name_many_times_in_a_layer(self):
        self.check("duplicates", [
            file("f", b"1"), file("f", b"2", mode=0o600), directory("d", mode=0o700),
            file("d/x", b"1"), directory("d", mode=0o755, mtime=8), symlink("s", "f"),
            file("s", b"file"), file("l", b"1"), hardlink("m", "l"), file("m", b"2"),
        ], without=["docker"])  # "duplicates of file paths not supported"

    def test_with_special_files(self):
        self.check("special files", [
            directory("special"), fifo("special/fifo"),
            character_device("special/null", 1, 3), block_device("special/disk", 8, 0),
            file("plain"),
        ])

    def test_with_hard_links_to_a_lower_layer(self):
        # What containerd and BuildKit may write. Docker's overlay2 cannot load it.
        self.check("hard links across layers", [
            file("a", b"below", mode=0o640, uid=3, mtime=7), directory("d"), file("d/x", b"x"),
        ], [
            hardlink("b", "a"), directory("d", mtime=8), hardlink("d/y", "d/x"),
        ], [
            whiteout("a"), file("d/x", b"new"),
        ], without=["docker"])


class ATreeThatDockerBuilt(TreeTestCase):
    """Layers that a real engine wrote, saved by it."""

    def build(self, dockerfile, program="/hello"):
        engine = next((each.engine for each in self.references if each.name == "docker"), None)
        if engine is None:
            self.skipTest(self.missing[-1])
        with tempfile.TemporaryDirectory(prefix="c-") as context:
            Path(context, "Dockerfile").write_text(dockerfile, encoding="utf-8")
            shutil.copy(faasd_process.binary("hello"), os.path.join(context, "hello"))
            shutil.copy("/bin/busybox", os.path.join(context, "busybox"))
            os.chmod(os.path.join(context, "hello"), 0o755)
            return engine.image_tar(context)

    def test_layer_by_layer_with_a_shell(self):
        run = 'RUN ["/bin/busybox", "sh", "-c", "{}"]\n'
        archive = self.build(
            "FROM scratch\nCOPY hello /hello\nCOPY busybox /bin/busybox\n"
            + run.format("/bin/busybox --install -s /bin; mkdir -p /usr/lib /app/old/deep;"
                         " ln -s usr/lib /lib; echo 1 > /app/old/a; echo 2 > /app/b;"
                         " mkfifo /app/fifo; echo 3 > /app/old/deep/c")
            + run.format("rm -r /app/old; mkdir /app/old; echo 4 > /app/old/new; rm /app/fifo;"
                         " echo 5 > /lib/through-the-link; ln /app/b /app/hard;"
                         " mkfifo /app/fifo-that-stays")
            + run.format("chown 12:34 /app/b; chmod 4711 /app/hard; rm -r /app/old;"
                         " echo file > /app/old; mv /lib /lib.old; mkdir /lib")
            + "COPY --chown=70000:80000 hello /app/copied\n"
            + 'WORKDIR /srv/dir\nENTRYPOINT ["/hello"]\n')
        self.compare("built", archive)

    def test_on_debian(self):
        archive = self.build(
            "FROM debian:bookworm-slim\nCOPY hello /hello\n"
            "RUN rm -r /usr/share/zoneinfo /var/lib/apt/lists; useradd -m -u 70001 someone;"
            " ln /usr/bin/env /usr/local/bin/env; touch -d 1999-01-01 /srv;"
            " mv /usr/share/perl5 /opt/; cp -a /usr/bin/passwd /usr/local/bin/\n"
            'ENTRYPOINT ["/hello"]\n')
        self.compare("debian", archive)


class TheReferences(TreeTestCase):
    def test_are_all_here(self):
        if self.missing:
            self.skipTest("; ".join(self.missing))


if __name__ == "__main__":
    unittest.main()
