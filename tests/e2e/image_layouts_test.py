"""Every layout that some program writes, from that program where it is installed: each is deployed
and answers, whatever stands in which order and however it is packed."""

import contextlib
import hashlib
import lzma
import os
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import docker_engine
import images
from faasd_process import FaasdTestCase, curl
from image_tar import (MACHINES, Compression, ImageTar, directory, file, rewritten, several,
                       symlink, whiteout)
from oci_layout import OciLayout

OTHER_MACHINE = next(name for name in MACHINES.values()
                     if name != MACHINES.get(os.uname().machine))
PACKED = (Compression.GZIP, Compression.ZSTD, Compression.XZ, Compression.BZIP2)


def described(who, **more):
    """An image of three layers whose container says who it is."""
    return ImageTar(
        [[images.program("misbehave"), file("gone", b"1")],
         [directory("data"), symlink("data/link", "../who")],
         [whiteout("gone"), file("who", who.encode())]],
        {"Entrypoint": ["/misbehave", "report"], "Env": [f"WHO={who}"]}, name=f"{who}:1", **more)


class LayoutTestCase(FaasdTestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="l-"))

    def setUp(self):
        super().setUp()
        self.faasd = self.start()

    def path(self, name):
        return os.path.join(self.directory, name)

    def new(self, archive, *options):
        """`faas new`: bytes go to stdin, a path to -f."""
        if isinstance(archive, bytes):
            return self.faasd.faas("new", "app", *options, input=archive)
        return self.faasd.faas("new", "app", "-f", str(archive), *options)

    def assert_is(self, who, archive, *options):
        """Deploys it; the container that answers is `who`, in the whole tree of that image."""
        done = self.new(archive, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        reply = curl(self.faasd.ip("app"))
        self.assertEqual(reply.status, 200, f"{reply}\n{self.faasd.log.tail()}")
        self.assertIn(f"WHO={who}", reply.json()["env"])
        rootfs = self.faasd.rootfs("app")
        self.assertEqual(Path(rootfs, "who").read_text(encoding="ascii"), who)
        self.assertEqual(os.readlink(os.path.join(rootfs, "data/link")), "../who")
        self.assertFalse(os.path.exists(os.path.join(rootfs, "gone")))
        self.faasd.faas("rm", "app", check=True)

    def assert_refused(self, archive, *options, words=()):
        done = self.new(archive, *options)
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(self.faasd.api("GET", "/api/list")[2], {})


class AnArchive(LayoutTestCase):
    def layouts(self, who="app"):
        image = described(who)
        yield "docker-archive", image.build()
        yield "docker-archive, manifest first", described(who, manifest_first=True).build()
        yield "hybrid of engine 25", OciLayout({f"{who}:1": image}, hybrid=True).build()
        yield "hybrid, plain layers", OciLayout({f"{who}:1": image}, Compression.NONE,
                                                hybrid=True).build()
        yield "OCI", OciLayout({f"{who}:1": image}).build()
        yield "OCI, plain layers", OciLayout({f"{who}:1": image}, Compression.NONE).build()
        yield "OCI, no tag", OciLayout({None: image}).build()

    def test_of_every_layout_answers(self):
        for name, archive in self.layouts():
            with self.subTest(name):
                self.assert_is("app", archive)

    def test_with_its_members_in_any_order_answers(self):
        for name, archive in self.layouts():
            for seed in range(3):
                with self.subTest(name, seed=seed):
                    self.assert_is("app", rewritten(archive, random.Random(seed).shuffle))
            with self.subTest(name, order="reversed"):
                self.assert_is("app", rewritten(archive, lambda members: members.reverse()))

    def test_that_takes_too_much_memory_to_unpack_is_refused(self):
        self.assert_refused(lzma.compress(described("app").build(), preset=9),
                            words=("more than 60 MiB of memory",))

    def test_packed_as_a_whole_answers(self):
        for name, archive in (("docker-archive", described("app").build()),
                              ("OCI", OciLayout({"app:1": described("app")}).build())):
            for kind in PACKED:
                with self.subTest(name, packed=kind.value):
                    self.assert_is("app", kind.pack(archive))

    def test_with_packed_layers_answers(self):
        for kind in PACKED:
            with self.subTest("docker-archive", layers=kind.value):
                self.assert_is("app", described("app", layer_compression=kind).build())
        for kind in (Compression.GZIP, Compression.ZSTD):
            with self.subTest("OCI", layers=kind.value):
                self.assert_is("app", OciLayout({"app:1": described("app")}, kind).build())
            with self.subTest("hybrid", layers=kind.value):
                self.assert_is("app", OciLayout({"app:1": described("app")}, kind,
                                                hybrid=True).build())

    def test_from_a_file_a_directory_stdin_or_a_dash_answers(self):
        image = described("app")
        layout = OciLayout({"app:1": image})
        layout.write_directory(self.path("layout"))
        self.assert_is("app", self.path("layout"))
        self.assert_is("app", image.write(self.path("app.tar")))
        with open(self.path("app.tar"), "rb") as stream:
            self.faasd.faas("new", "app", "-f", "-", input=stream, check=True)
        self.assertEqual(curl(self.faasd.ip("app")).status, 200)
        self.faasd.faas("rm", "app", check=True)

    def test_from_a_directory_that_is_no_layout_is_refused(self):
        os.mkdir(self.path("empty"))
        done = self.new(self.path("empty"))
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertIn("oci-layout", done.stderr)

    def test_of_indexes_in_indexes_answers(self):
        for depth in (1, 2, 3):
            with self.subTest(depth=depth):
                self.assert_is("app", OciLayout({"app:1": described("app")}, depth=depth).build())
        done = self.new(OciLayout({"app:1": described("app")}, depth=200).build())
        self.assertEqual(done.returncode, 1, "no end of indexes")

    def test_without_a_manifest_or_a_layout_is_refused(self):
        self.assert_refused(images.plain_tar({"a.json": b"{}", "b": b"x"}), words=["manifest.json"])

    def test_with_a_bill_of_materials_beside_the_image_answers(self):
        self.assert_is("app", OciLayout({"app:1": described("app")}, attestations=True).build())
        archive = OciLayout({"app:1": described("app")}).build()
        sbom = b'{"sbom": "' + b"x" * (3 << 20) + b'"}'
        name = "blobs/sha256/" + hashlib.sha256(sbom).hexdigest()
        self.assert_is("app", rewritten(archive, lambda members: members.insert(0, (name, sbom))))


class AChoice(LayoutTestCase):
    """Several images in one archive."""

    def archives(self):
        one, two = described("one"), described("two")
        yield "docker-archive", several([one, two])
        yield "hybrid", OciLayout({"one:1": one, "two:1": two}, hybrid=True).build()
        yield "OCI", OciLayout({"one:1": one, "two:2": two}).build()

    def test_by_tag_takes_that_image_and_needs_a_tag(self):
        for name, archive in self.archives():
            second = "two:2" if name == "OCI" else "two:1"
            with self.subTest(name):
                self.assert_refused(archive, words=["one:1", second, "--tag"])
                self.assert_refused(archive, "--tag", "three:1", words=["one:1", second])
                self.assert_is("one", archive, "--tag", "one:1")
                self.assert_is("two", archive, "--tag", second)
                self.assert_is("two", rewritten(archive, lambda members: members.reverse()),
                               "--tag", second)

    def test_of_two_tags_of_one_image_needs_no_tag(self):
        def add_tag(members):
            for at, (name, content) in enumerate(members):
                if name == "manifest.json":
                    members[at] = (name, content.replace(b'"one:1"', b'"one:1","one:latest"'))
        self.assert_is("one", rewritten(described("one").build(), add_tag))
        self.assert_is("one", rewritten(described("one").build(), add_tag), "--tag", "one:latest")

    def test_by_platform_takes_this_machines_unless_told(self):
        own = described("own")
        other = described("other", architecture=OTHER_MACHINE)
        third = described("third", architecture="s390x")
        for attestations in (False, True):
            layout = OciLayout({"app:1": [other, own, third]}, attestations=attestations)
            with self.subTest(attestations=attestations):
                self.assert_is("own", layout.build())
                self.assert_is("own", layout.build(), "--platform", f"linux/{own.architecture}")
                self.assert_refused(layout.build(), "--platform", "linux/riscv64",
                                    words=["riscv64", "s390x", own.architecture])
        self.assert_refused(OciLayout({"app:1": [other, third]}).build(), words=["s390x"])
        self.assert_refused(other.build(), words=[OTHER_MACHINE])

    def test_of_another_platform_is_that_image_or_refused(self):
        layout = OciLayout({"app:1": [described("own"),
                                      described("other", architecture=OTHER_MACHINE)]})
        done = self.new(layout.build(), "--platform", f"linux/{OTHER_MACHINE}")
        if done.returncode == 0:
            self.assertIn(OTHER_MACHINE, str(self.faasd.describe("app")))
        else:
            self.assertIn(OTHER_MACHINE, done.stderr)

    def test_by_digest_pins_the_image(self):
        image = described("app")
        layout = OciLayout({"app:1": image})
        for name, archive, digests in (
                ("docker-archive", image.build(), [image.digest()]),
                ("hybrid", OciLayout({"app:1": image}, hybrid=True).build(), [image.digest()]),
                ("OCI", layout.build(), [image.digest(), layout.manifest_digest(image)])):
            with self.subTest(name):
                for digest in digests:
                    self.assert_is("app", archive, "--digest", digest)
                self.assert_refused(archive, "--digest", "sha256:" + "0" * 64, words=["sha256:"])
        for wrong in ("sha256:0", "md5:" + "0" * 32, "latest"):
            done = self.new(image.build(), "--digest", wrong)
            self.assertIn(done.returncode, (1, 2), done.stderr)

    def test_of_an_unknown_option_value_is_refused_before_the_upload(self):
        for options in (("--platform", "linux"), ("--platform", "a/b/c/d"), ("--tag", "")):
            with self.subTest(options):
                done = self.new(described("app").build(), *options)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertNotEqual(done.returncode, 0)


class WhatAProgramWrites(LayoutTestCase):
    def setUp(self):
        super().setUp()
        self.image = str(described("app").write(self.path("app.tar")))

    def run_program(self, package, *command):
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is not installed (Debian package {package})")
        done = subprocess.run(command, capture_output=True, text=True,
                              env={**os.environ, "TMPDIR": self.directory})
        self.assertEqual(done.returncode, 0, done.stderr)

    def skopeo(self, *arguments):
        self.run_program("skopeo", "skopeo", "--insecure-policy", "copy", "--quiet", *arguments)

    def test_skopeo_as_oci_archive_docker_archive_or_directory_answers(self):
        source = f"docker-archive:{self.image}"
        self.skopeo(source, f"oci-archive:{self.path('s-oci.tar')}:app:1")
        self.assert_is("app", self.path("s-oci.tar"))
        self.assert_is("app", self.path("s-oci.tar"), "--tag", "app:1")
        self.skopeo(source, f"docker-archive:{self.path('s-docker.tar')}:app:1")
        self.assert_is("app", self.path("s-docker.tar"))
        self.skopeo(source, f"oci:{self.path('s-dir')}:app:1")
        self.assert_is("app", self.path("s-dir"))
        self.skopeo("--dest-compress-format", "zstd", source, f"oci:{self.path('s-zstd')}:app:1")
        self.assert_is("app", self.path("s-zstd"))

    def test_skopeo_of_two_images_in_a_directory_answers_by_tag(self):
        other = str(described("other").write(self.path("other.tar")))
        for path, tag in ((self.image, "app:1"), (other, "other:1")):
            self.skopeo(f"docker-archive:{path}", f"oci:{self.path('two')}:{tag}")
        self.assert_refused(self.path("two"), words=["app:1", "other:1"])
        self.assert_is("other", self.path("two"), "--tag", "other:1")

    def podman(self, *arguments):
        self.run_program("podman", "podman", "--root", self.path("podman"), "--runroot",
                         self.path("podman-run"), "--storage-driver", "vfs", "--cgroup-manager",
                         "cgroupfs", "--events-backend", "none", *arguments)

    def test_podman_saves_answers(self):
        self.addCleanup(shutil.rmtree, self.path("podman"), ignore_errors=True)
        self.podman("load", "--quiet", "-i", self.image)
        for form in ("docker-archive", "oci-archive", "oci-dir"):
            with self.subTest(form):
                target = self.path(f"p-{form}")
                self.podman("save", "--quiet", "--format", form, "-o", target,
                            "localhost/app:1")
                self.assert_is("app", target)

    def test_docker_saves_answers(self):
        other = str(described("other").write(self.path("other.tar")))
        with contextlib.ExitStack() as stack:
            try:
                engine = stack.enter_context(docker_engine.DockerEngine(self.path("engine")))
                engine.start()
            except docker_engine.Unavailable as reason:
                self.skipTest(f"no Docker engine can run here: {reason}")
            for path in (self.image, other):
                engine.load(path)
            engine.client("tag", "app:1", "app:latest")
            engine.client("save", "-o", self.path("d-one.tar"), "app:1")
            engine.client("save", "-o", self.path("d-tags.tar"), "app:1", "app:latest")
            engine.client("save", "-o", self.path("d-two.tar"), "app:1", "other:1")
            with engine.save_stream("app:1") as saved:
                done = self.faasd.faas("new", "piped", input=saved.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(curl(self.faasd.ip("piped")).status, 200)
        self.faasd.faas("rm", "piped", check=True)
        self.assert_is("app", self.path("d-one.tar"))
        self.assert_is("app", self.path("d-tags.tar"))
        self.assert_is("app", self.path("d-tags.tar"), "--tag", "app:latest")
        self.assert_refused(self.path("d-two.tar"), words=["app:1", "other:1"])
        self.assert_is("other", self.path("d-two.tar"), "--tag", "other:1")


if __name__ == "__main__":
    unittest.main()
