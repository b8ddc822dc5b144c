"""SAFETY.md's I rows on uploads as a whole, I22 to I28: bombs, damage, documents that lie. Each is
imported by the real daemon; whatever comes of it, nothing outside of what it may make has changed,
and a refused one leaves nothing. The rows on the entries of layers: import_safety_test.py."""

import gzip
import io
import json
import os
import subprocess
import tempfile
import unittest

import images
import machine
from faasd_process import curl
from image_tar import (Compression, ImageTar, archive_of, file, layer_bytes, pax_sparse, rewritten,
                       symlink)
from image_tree import tree_of_directory
from import_case import MOUNT_POINTS, ImportTestCase, image
from oci_layout import OciLayout
from tar_raw import Raw, base256, gnu_sparse, raw_header

MIB = 1 << 20


class BombTestCase(ImportTestCase):
    """Each is stopped in bounded time (IMPORT_S) and memory, and the disk is as before."""

    MEMORY = 128 * MIB  # of the daemon and its children, above what they had

    def resident(self):
        pids = [self.faasd.process.pid, *self.faasd.containers()]
        total = 0
        for pid in pids:
            try:
                total += machine.resident_bytes(pid)
            except OSError:
                continue  # it ended
        return total

    def assert_stopped(self, archive, codes="too_large"):
        with machine.watched(self.resident) as sizes:
            self.assert_refused(archive, *codes.split())
        self.assertLess(max(sizes) - sizes[0], self.MEMORY)


class ABomb(BombTestCase):
    def test_I22_that_is_compressed_is_stopped_by_its_ratio(self):
        zeros = layer_bytes([file("zeros", bytes(128 * MIB))])
        for kind in Compression:
            if kind is Compression.NONE:
                continue
            packed = kind.pack(zeros)
            with self.subTest(layer=kind.value):
                self.assert_stopped(rewritten(image([file("x")]), replace_first_layer(packed)))
            with self.subTest(outer=kind.value):
                self.assert_stopped(kind.pack(archive_of([("x.tar", bytes(128 * MIB))])))
            with self.subTest(blob=kind.value):
                layout = OciLayout({"a:1": ImageTar([[images.program("hello")]])}).members()
                layout.insert(0, ("blobs/sha256/" + "0" * 64, packed))
                self.assert_stopped(archive_of(layout))
        with self.subTest("zeros behind the end"):
            self.assert_stopped(gzip.compress(archive_of([("x", b"")]) + bytes(128 * MIB), 1))

    def test_I22_of_a_sparse_file_is_stopped_by_its_size(self):
        rows = (
            ("10 GB", [pax_sparse("s", 10 << 30, [(5 << 30, b"x")])]),
            ("10 GB in GNU's way", [gnu_sparse("s", 10 << 30, [])]),
            ("one of 8 EiB", [pax_sparse("s", (1 << 63) - 1, [])]),
            ("three of 7 GB", [pax_sparse(f"s{n}", 7 << 30, [(6 << 30, b"x")]) for n in range(3)]),
            ("a size without content", [Raw(raw_header(b"x", size=base256(10 << 30, 12)))]),
        )
        for what, layer in rows:
            with self.subTest(what):
                self.assert_stopped(image(layer), "too_large bad_layer bad_archive")

    def test_I22_of_depth_layers_members_or_documents_is_stopped(self):
        def with_manifest(change):
            return rewritten(image(), edit_json("manifest.json", change))
        many = [(f"m{n}", b"x") for n in range(5000)]
        rows = (
            ("depth", image([file("d/" * 200 + "x")])),
            ("depth by links", image([file("d/" * 100 + "x"), symlink("l", "d/" * 100),
                                      file("l/" + "d/" * 100 + "x")])),
            ("layers", image(*([file(f"f{n}")] for n in range(130)))),
            ("members", archive_of(many)),
            ("a manifest of 2 MiB", with_manifest(
                lambda manifest: manifest[0].update(RepoTags=["x" * (2 * MIB)]))),
            ("one layer 3000 times", with_manifest(
                lambda manifest: manifest[0].update(Layers=manifest[0]["Layers"] * 3000))),
        )
        for what, archive in rows:
            with self.subTest(what):
                self.assert_stopped(archive, "too_large layer_count_mismatch")


class ABombOfInodes(BombTestCase):
    """On a file system in memory: half a million files are minutes of work for some disks."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="i-")
        self.addCleanup(os.rmdir, self.directory)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=2g,nr_inodes=2m", "tmpfs",
                        self.directory], check=True)
        self.addCleanup(subprocess.run, ["umount", self.directory], check=True)
        super().setUp()

    def test_I22_of_half_a_million_inodes_is_stopped_by_their_number(self):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as layer:
            for parent in range(510):
                layer.write(raw_header(b"d%d" % parent, typeflag=b"5", mode=0o755))
                layer.write(b"".join(  # the cheapest of inodes
                    raw_header(b"d%d/%d" % (parent, n), typeflag=b"2", linkname=b"x")
                    for n in range(1000)))
            layer.write(bytes(1024))
        self.assert_stopped(rewritten(image([file("x")]), replace_first_layer(packed.getvalue())))


DAMAGED = ("truncated_archive bad_archive bad_layer not_an_archive not_an_image missing_layer "
           "missing_config digest_mismatch trailing_garbage bad_index bad_layout bad_manifest")


class ADamagedUpload(ImportTestCase):
    def test_I23_that_is_cut_off_or_goes_on_leaves_nothing(self):
        plain = image([file("x", os.urandom(20_000))])
        for kind in Compression:
            packed = kind.pack(plain)
            # Behind the last member only padding is cut.
            for share in (0.05, 0.3, 0.6, 0.8):
                with self.subTest(cut=kind.value, share=share):
                    self.assert_refused(packed[:int(len(packed) * share)], *DAMAGED.split())
            if kind is not Compression.NONE:
                with self.subTest(cut=kind.value, by="10 bytes"):
                    self.assert_refused(packed[:-10], *DAMAGED.split())
            for what, junk in (("text", b"junk " * 300), ("an archive", packed)):
                if kind in (Compression.NONE, Compression.GZIP) or what == "text":
                    with self.subTest(after=kind.value, junk=what):
                        self.assert_refused(packed + junk, *DAMAGED.split())

    def test_I23_in_a_layer_leaves_nothing(self):
        layer = layer_bytes([file("x", os.urandom(20_000))])
        for kind in Compression:
            packed = kind.pack(layer)
            for what, bad in (("cut", packed[:len(packed) // 2]), ("junk", packed + b"junk " * 300),
                              ("empty", b"")):
                with self.subTest(layer=kind.value, what=what):
                    self.assert_refused(rewritten(image([file("x")]), replace_first_layer(bad)),
                                        *DAMAGED.split())

    def test_I24_with_one_byte_flipped_is_found(self):
        described = ImageTar([[file("a", b"a" * 3000)], [images.program("hello")]],
                             {"Entrypoint": ["/hello"], "Env": ["A=flipped"]})
        layouts = {"docker-archive": described.build(),
                   "hybrid": OciLayout({"a:1": described}, hybrid=True,
                                       compression=Compression.NONE).build(),
                   "OCI": OciLayout({"a:1": described}, compression=Compression.NONE).build()}
        for name, archive in layouts.items():
            for what, found in (("a layer", b"a" * 3000), ("the config", b"A=flipped")):
                with self.subTest(name, flipped=what):
                    at = archive.index(found) + len(found) - 1
                    flipped = archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1:]
                    self.assertIn("sha256", self.assert_refused(flipped, "digest_mismatch"))
        for what, found, to in (("the manifest", b'"schemaVersion":2', b'"schemaVersion":3'),
                                ("a digest in the manifest", b'"layers":[{"mediaType"',
                                 b'"layers":[ {"mediaType"')):
            with self.subTest("OCI", flipped=what):
                def change(members, found=found, to=to):
                    members[:] = [(name, content.replace(found, to) if name.startswith("blobs/")
                                   and content else content) for name, content in members]
                self.assert_refused(rewritten(layouts["OCI"], change), "digest_mismatch",
                                    "size_mismatch")

    def test_I25_with_a_manifest_that_does_not_fit_is_refused_with_the_reason(self):
        def docker(change):
            return rewritten(image([file("x", b"1")]), edit_json("manifest.json", change))

        def oci(change):
            hello = ImageTar([[images.program("hello")]], {"Entrypoint": ["/hello"]})
            return rewritten(OciLayout({"a:1": hello}).build(), change)

        def index_of(digest):
            return replace("index.json", json.dumps({"schemaVersion": 2, "manifests": [
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
                 "digest": digest}]}).encode())

        def without(prefix):
            return lambda members: members.remove(next(
                each for each in members if each[0].startswith(prefix) and each[1]))

        rows = (
            *((f"manifest.json is {text}", rewritten(image(), replace("manifest.json", text)))
              for text in (b"null", b"[]", b"[null]", b"{}", b"0", b"", b"[{")),
            ("no config", docker(lambda manifest: manifest[0].pop("Config"))),
            ("a config that is not there", docker(lambda m: m[0].update(Config="x.json"))),
            ("a layer that is not there", docker(lambda m: m[0].update(Layers=["x/y"] * 2))),
            ("a layer outside", docker(lambda m: m[0].update(Layers=["../../etc/passwd"] * 2))),
            ("a layer too few", docker(lambda manifest: manifest[0]["Layers"].pop())),
            ("a layer too many", docker(lambda m: m[0]["Layers"].append(m[0]["Layers"][0]))),
            ("layers that are null", docker(lambda manifest: manifest[0].update(Layers=None))),
            ("layers that are numbers", docker(lambda manifest: manifest[0].update(Layers=[1, 2]))),
            ("layers in another order", docker(lambda manifest: manifest[0]["Layers"].reverse())),
            ("deep JSON", archive_of([("manifest.json", b"[" * 100_000)])),
            *((f"index.json is {text}", oci(replace("index.json", text)))
              for text in (b"null", b"[]", b"{", b'{"schemaVersion":2,"manifests":[]}',
                           b'{"schemaVersion":2,"manifests":[null]}')),
            ("an index of a missing blob", oci(index_of("sha256:" + "0" * 64))),
            ("an index that leads outside", oci(index_of("sha256:../../../etc/passwd"))),
            ("an index of no digest", oci(index_of("etc/passwd"))),
            ("no blob of a layer", oci(without("blobs/sha256/"))),
        )
        for what, archive in rows:
            with self.subTest(what):
                code, status, body = self.attempt(archive)
                self.assertEqual(status, 400, body)
                self.assertNotIn(code, ("internal", "failed"))
                self.assertGreater(len(body["error"]), 20)
                self.assertEqual(self.faasd.faas("ip", "bad").returncode, 1)
                self.assert_as_before()


class AConfig(ImportTestCase):
    def test_I27_mount_points_are_replaced_and_never_followed(self):
        canary = os.path.join(self.faasd.directory, "outside", "etc")
        names = (*MOUNT_POINTS, "control.sock")
        rows = (
            ("links", [symlink(name, canary) for name in names]),
            ("links up", [symlink(name, "../../outside/etc") for name in names]),
            ("links, then below them", [entry for name in names for entry in
                                        (symlink(name, "/sub"), file(f"{name}/x", b"1"))]),
            ("links to each other", [symlink(name, f"/{other}") for name, other
                                     in zip(names, (*names[1:], names[0]))]),
            ("files", [file(name, b"1", mode=0o4777) for name in names]),
            ("full directories", [file(f"{name}/x/y", b"1") for name in names]),
        )
        for what, layer in rows:
            with self.subTest(what):
                code, _, body = self.attempt(image(layer))
                self.assert_nothing_outside_changed()
                if code is not None:
                    self.assert_as_before()
                    continue
                rootfs = self.faasd.rootfs("bad")
                tree = tree_of_directory(rootfs)
                for name in MOUNT_POINTS:
                    self.assertEqual(tree[name.encode()].kind, "directory")
                    self.assertEqual(os.listdir(os.path.join(rootfs, name)), [])
                node = tree[b"control.sock"]
                self.assertEqual((node.kind, node.size, node.mode & 0o7000), ("file", 0, 0))
                self.assertEqual(curl(body["ip"]).status, 200)
                self.assert_nothing_outside_changed()
                self.faasd.idle_footprint()
                self.remove()

    def report(self, layer=(), **config):
        """What a container sees, or None if the image or the start was refused."""
        code, status, body = self.attempt(ImageTar([[images.program("misbehave"), *layer]], {
            "Entrypoint": ["/misbehave", "report"], **config}).build())
        self.assert_nothing_outside_changed()
        if code is not None:
            self.assertEqual(status, 400, body)
            self.assert_as_before()
            return None
        reply = curl(body["ip"])
        self.assertIn(reply.status, (200, 502), reply)
        self.faasd.idle_footprint()
        self.assert_nothing_outside_changed()
        text = json.dumps(self.faasd.describe("bad")) + self.faasd.faas("describe", "bad").stdout
        self.assertNotIn("\x1b", text)
        self.remove()
        return reply.json() if reply.status == 200 else None

    def test_I28_a_hostile_working_directory_is_refused_or_inert(self):
        for path, allowed in (
                ("/proc/self/fd/7", ()), ("/proc/self/fd/7/../../..", ()), ("/proc/1/root", ()),
                ("/sys/fs/cgroup", ()), ("/dev/fd/3", ()), ("relative", ()), ("../../..", ()),
                ("/a/../../b", ("/b",)), ("//x//y/.", ("/x/y",)), ("/" + "n" * 300, ()),
                ("/n" * 3000, ()), ("/l/x", ("/etc/x",)), ("/gone/x", ()), ("/f/x", ())):
            with self.subTest(path=path[:40]):
                layer = [symlink("l", "/etc"), symlink("gone", "/../no/such"), file("f", b"1")]
                report = self.report(layer, WorkingDir=path)
                if report is not None:
                    self.assertIn(report["cwd"], allowed)

    def test_I28_hostile_labels_and_variables_are_refused_or_inert(self):
        label = "\x1b[2J\n{\"event\":\"forged\"}\n"
        report = self.report(Labels={label: label, "a" * 1000: "b"})
        self.assertIsNotNone(report)
        self.assertEqual(self.faasd.log.find("forged"), [])
        for env in (["A"], ["=x"], ["A\0B=1"], ["A=\0"], [""], ["A=" + "x" * 200_000], [1], [None],
                    ["A=1"] * 2000):
            with self.subTest(env=str(env)[:40]):
                report = self.report(Env=env)
                if report is not None:
                    self.assertNotIn("A", {each.partition("=")[0] for each in report["env"]})
        report = self.report(Env=["LD_PRELOAD=/evil.so", "X=new\nline", "_LIBCONTAINER_INITPIPE=3",
                                  "NOTIFY_SOCKET=/x", "LISTEN_FDS=1"])
        if report is not None:
            self.assertEqual(report["cwd"], "/")
        for user in ("../../etc/passwd", "-1", "4294967296", "0:-1", "\n", "root\nx:0", "$(id)"):
            with self.subTest(user=user):
                self.assertIsNone(self.report(User=user))


def replace_first_layer(content):
    """A change for rewritten(): the lowest layer has another content."""
    def change(members):
        first = next(name for name, _ in members if name.endswith("/layer.tar"))
        replace(first, content)(members)
    return change


def replace(wanted, content):
    """A change for rewritten(): the member `wanted` has another content."""
    return lambda members: members.__setitem__(slice(None), [
        (name, content if name == wanted else old) for name, old in members])


def edit_json(wanted, change):
    """A change for rewritten(): `change` alters the document in the member `wanted`."""
    def edit(members):
        document = json.loads(dict(members)[wanted])
        change(document)
        replace(wanted, json.dumps(document).encode())(members)
    return edit


if __name__ == "__main__":
    unittest.main()
