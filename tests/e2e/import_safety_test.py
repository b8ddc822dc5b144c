"""SAFETY.md's I rows on the entries of layers, I1 to I19: archives that somebody wrote to get out.
Each is imported by the real daemon; whatever comes of it, nothing outside of what it may make has
changed, and a refused one leaves nothing. I22 to I28: import_upload_safety_test.py."""

import json
import os
import tarfile
import unittest

import images
from faasd_process import curl
from image_tar import (ImageTar, block_device, character_device, directory, fifo, file, hardlink,
                       opaque, pax_sparse, rewritten, symlink, whiteout, xattrs)
from image_tree import tree_of_directory
from import_case import ImportTestCase, image, shape_of
from tar_raw import Raw, base256, gnu_sparse, pax_body, pax_records, raw_header

MIB = 1 << 20
# Effective and permitted: all that there are.
CAPABILITY = bytes.fromhex("010000" "02" "ffffffff" "ffffffff" "ff010000" "ff010000")


class ATree(ImportTestCase):
    def test_I1_of_a_name_with_dots_is_refused(self):
        rows = [(name, [[file(name, b"x")]], "unsafe_path")
                for name in ("../x", "/../x", "a/../../x", "a/b/../../../x", "./../x", "..", "/..",
                             "../outside/etc/x", "../" * 12 + "etc/x")]
        self.check([
            *rows,
            ("a directory", [[directory("../outside")]], "unsafe_path"),
            ("a link", [[symlink("../outside/etc/x", "/")]], "unsafe_path"),
            ("a PAX name", [[file("x", b"x", pax={"path": "a/../../x"})]], "unsafe_path"),
            ("a GNU long name", [[file("d/" * 60 + "../" * 61 + "x", format=tarfile.GNU_FORMAT)]],
             "unsafe_path"),
            ("a whiteout", [[file("../outside/etc/.wh.x")]], "unsafe_path"),
            ("a whiteout of the parent", [[file("a/.wh...")]], "bad_whiteout unsafe_path"),
            ("an absolute name is inside", [[file("/x", b"x")]], {"x": b"x"}),
        ])
        for name in ("../x.tar", "../../outside/etc/x", "/../x"):
            with self.subTest(outer=name):
                self.assert_refused(
                    rewritten(image(), lambda members, name=name: members.insert(0, (name, b"x"))),
                    "unsafe_path")

    def test_I2_through_a_parent_that_is_a_link_lands_inside(self):
        canary = os.path.join(self.faasd.directory, "outside", "etc")
        self.check([
            ("to the root", [[symlink("l", "/"), file("l/x", b"1")]], {"l": "-> /", "x": b"1"}),
            ("to /etc", [[symlink("l", "/etc"), file("l/x", b"1")]],
             {"l": "-> /etc", "etc": None, "etc/x": b"1"}),
            ("up", [[symlink("l", "../.."), file("l/x", b"1")]], {"l": "-> ../..", "x": b"1"}),
            ("a chain", [[symlink("a", "b"), symlink("b", "/c/.."), directory("c"),
                          file("a/x", b"1")]],
             {"a": "-> b", "b": "-> /c/..", "c": None, "x": b"1"}),
            ("in a circle", [[symlink("a", "b"), symlink("b", "a"), file("a/x")]], "unsafe_path"),
            ("in a lower layer", [[directory("etc"), symlink("l", "/etc")], [file("l/x", b"1")]],
             {"l": "-> /etc", "etc": None, "etc/x": b"1"}),
            ("in a lower layer, up", [[directory("e"), symlink("l", "../../../e")],
                                      [file("l/x", b"1")]],
             {"l": "-> ../../../e", "e": None, "e/x": b"1"}),
            ("to the canary", [[symlink("l", canary), file("l/x", b"1")]],
             {"l": f"-> {canary}"}),  # below /tmp or the like, which is emptied
            ("/proc/self/root", [[symlink("l", "/proc/self/root/etc"), file("l/x", b"1")]],
             {"l": "-> /proc/self/root/etc"}),
        ])

    def test_I5_of_a_hard_link_to_an_outside_name_is_resolved_inside_or_refused(self):
        canary = os.path.join(self.faasd.directory, "outside", "etc", "x")
        up = [(target, [[file("a"), hardlink("x", target)]], "unsafe_path bad_link")
              for target in ("../outside/etc/x", "/../etc/passwd", "a/../../etc/passwd", "..",
                             "./../etc/passwd", "../" * 9 + "etc/passwd")]
        self.check([
            *up,
            ("absolute", [[hardlink("x", "/etc/passwd")]], "bad_link"),
            ("the canary", [[hardlink("x", canary)]], "bad_link"),
            ("through a link", [[symlink("r", "/"), hardlink("x", "r/etc/passwd")]], "bad_link"),
            ("through a link to the canary",
             [[symlink("r", os.path.dirname(canary)), hardlink("x", "r/x")]], "bad_link"),
            ("through a link in a lower layer",
             [[symlink("r", os.path.dirname(canary))], [hardlink("x", "r/x")]], "bad_link"),
            ("to a link: the link itself", [[symlink("l", canary), hardlink("x", "l")]],
             {"l": f"-> {canary}", "x": f"-> {canary}"}),
            ("to a link, then written to",
             [[symlink("l", canary), hardlink("x", "l"), file("x", b"1")]],
             {"l": f"-> {canary}", "x": b"1"}),
            ("absolute, inside", [[file("a", b"1"), hardlink("x", "/a")]], {"a": b"1", "x": b"1"}),
            ("to a directory", [[directory("d"), hardlink("x", "d")]], "bad_link"),
            ("to the root", [[hardlink("x", "/")]], "bad_link"),
            ("to nothing", [[hardlink("x", "")]], "bad_link"),
        ])

    def test_I8_of_one_name_many_times_keeps_the_last_inside(self):
        canary = os.path.join(self.faasd.directory, "outside", "etc")
        self.check([
            ("directory, link, directory",
             [[directory("d"), file("d/1"), symlink("d", canary), directory("d"),
               file("d/x", b"2")]], {"d": None, "d/x": b"2"}),
            ("directory, link, directory, in layers",
             [[directory("d"), file("d/1")], [symlink("d", canary)],
              [directory("d"), file("d/x", b"2")]], {"d": None, "d/x": b"2"}),
            ("link, file", [[symlink("f", canary + "/x"), file("f", b"2")]], {"f": b"2"}),
            ("link, file, in layers", [[symlink("f", canary + "/x")], [file("f", b"2")]],
             {"f": b"2"}),
            ("file, file", [[file("f", b"1"), file("f", b"2")]], {"f": b"2"}),
            ("file, directory, file",
             [[file("f"), directory("f"), file("f/x"), file("f", b"3")]], {"f": b"3"}),
            ("a second name of a hard link",
             [[file("a", b"1"), hardlink("b", "a"), file("b", b"2")]], {"a": b"1", "b": b"2"}),
            ("the parent itself becomes a link",
             [[directory("a"), directory("a/b"), symlink("a", "/"), file("a/b", b"1")]],
             {"a": "-> /", "b": b"1"}),
        ])

    def test_I9_of_whiteouts_and_opaque_markers_gives_the_exact_tree_after_every_layer(self):
        layers = [
            [directory("a"), file("a/1", b"1"), file("a/2", b"2"), directory("b"), file("b/1")],
            [directory("a"), whiteout("a/1"), file("a/3", b"3")],
            [directory("b"), opaque("b"), file("b/new", b"n"), whiteout("a")],
            [directory("a"), file("a/4", b"4"), whiteout("b")],
        ]
        trees = [
            {"a": None, "a/1": b"1", "a/2": b"2", "b": None, "b/1": b""},
            {"a": None, "a/2": b"2", "a/3": b"3", "b": None, "b/1": b""},
            {"b": None, "b/new": b"n"},
            {"a": None, "a/4": b"4"},
        ]
        self.check([(f"{n + 1} layers", layers[:n + 1], tree) for n, tree in enumerate(trees)])

    def test_I11_of_a_whiteout_and_a_file_of_one_name_hides_the_lower_one_only(self):
        self.check([
            ("whiteout first", [[file("a", b"1")], [whiteout("a"), file("a", b"2")]], {"a": b"2"}),
            ("file first", [[file("a", b"1")], [file("a", b"2"), whiteout("a")]], {"a": b"2"}),
            ("a directory", [[directory("d"), file("d/old")],
                             [directory("d"), file("d/new", b"n"), whiteout("d")]],
             {"d": None, "d/new": b"n"}),
            ("opaque last", [[directory("d"), file("d/old")],
                             [directory("d"), file("d/new", b"n"), opaque("d")]],
             {"d": None, "d/new": b"n"}),
            ("in one layer only", [[file("a", b"1"), whiteout("a")]], {"a": b"1"}),
        ])

    def test_I12_of_a_whiteout_through_a_link_acts_inside_only(self):
        canary = os.path.join(self.faasd.directory, "outside", "etc")
        base = [directory("etc"), file("etc/passwd", b"inside")]
        self.check([
            ("to /etc", [[*base, symlink("l", "/etc")], [whiteout("l/passwd")]],
             {"etc": None, "l": "-> /etc"}),
            ("up", [[*base, symlink("l", "../../../etc")], [whiteout("l/passwd")]],
             {"etc": None, "l": "-> ../../../etc"}),
            ("to the canary", [[symlink("l", canary)], [whiteout("l/x"), file("y", b"1")]],
             {"l": None, "y": b"1"}),
            ("opaque, to the canary", [[symlink("l", canary)], [opaque("l"), file("y", b"1")]],
             {"l": None, "y": b"1"}),
            ("in the same layer", [[*base, symlink("l", "/etc"), whiteout("l/passwd")]],
             {"etc": None, "etc/passwd": b"inside", "l": "-> /etc"}),
            ("of the link", [[*base, symlink("l", "etc")], [whiteout("l")]],
             {"etc": None, "etc/passwd": b"inside"}),
        ])

    def test_I14_of_special_files_makes_none_and_says_so(self):
        rootfs = self.deploy(image([
            file("below", b"1"), character_device("null", 1, 3), block_device("disk", 8, 0),
            fifo("fifo"), character_device("below", 1, 3), hardlink("null2", "null"),
            Raw(raw_header(b"socket", typeflag=b"6")), file("plain", b"p"),
        ]))
        self.assertEqual(shape_of(rootfs), {"plain": b"p"})
        self.assertFalse([name for name, node in tree_of_directory(rootfs).items()
                          if node.kind not in ("file", "directory", "symlink")])
        self.assertRegex(json.dumps(self.faasd.describe("bad")), "[1-9] device nodes")
        self.remove()

    def test_I15_of_setuid_files_and_file_capabilities_gains_nothing_by_exec(self):
        for what, more in (
                ("setuid", {"mode": 0o4755}), ("setgid", {"mode": 0o2755}),
                ("capability", {"pax": xattrs(security_capability=CAPABILITY)}),
                ("both", {"mode": 0o6755, "pax": xattrs(security_capability=CAPABILITY)})):
            with self.subTest(what):
                archive = ImageTar([[images.program("misbehave", **more)]], {
                    "Entrypoint": ["/misbehave", "report"], "User": "1000:1000"}).build()
                self.deploy(archive)
                report = curl(self.faasd.ip("bad")).json()
                ids = [report[name] for name in ("uid", "euid", "gid", "egid")]
                self.assertEqual(ids, [1000] * 4)
                for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(report["status"][name], 16), 0, name)
                self.assertEqual(report["status"]["NoNewPrivs"], "1")
                self.faasd.idle_footprint()
                self.remove()


class AHeader(ImportTestCase):
    def test_I17_of_pax_that_is_damaged_or_absurd_is_refused_and_the_rest_is_exact(self):
        bodies = (b"path=y\n", b"99 path=y\n", b"0 path=y\n", b"-9 path=y\n", b"8 path=y",
                  b"5 =y\n", b"99999999999999999999 path=y\n", b"\xff\xff\xff\xff", b"9 path=y\n9")
        x = file("x", b"12345")
        name = "/".join(["n" * 200] * 15)
        parents = {name[:n * 201 - 1]: None for n in range(1, 15)}
        sizes = ("-1", "99999999999999999999", "9223372036854775808", "0x10", "1e3")
        self.check([
            *((f"the body {body!r}", [[pax_body(body), x]], "bad_archive bad_layer")
              for body in bodies),
            *((f"the size {size}", [[file("x", b"x", pax={"size": size})]], "bad_archive")
              for size in sizes),
            ("a size past the end", [[file("x", b"x", pax={"size": "50000"})]], "bad_layer"),
            ("a negative size", [[Raw(raw_header(b"x", size=base256(-512, 12)))]], "bad_archive"),
            ("a size of 2^62", [[Raw(raw_header(b"x", size=base256(1 << 62, 12)))]],
             "bad_archive bad_layer too_large"),
            ("a body longer than any", [[pax_body(b"9 a=bcde\n", 1 << 40), x]], "bad_archive"),
            ("a body of 2 MiB", [[pax_body(b"%d comment=%s\n" % (2 * MIB, b"c" * (2 * MIB - 17))),
                                  x]], "bad_archive"),
            ("a body and no entry", [[x, pax_body(b"9 path=y\n")]], None),
            ("two bodies", [[pax_body(b"10 path=y\n"), pax_body(b"10 path=z\n"), x]], None),
            ("for all entries", [[Raw(raw_header(b"g", typeflag=b"g", size=13)
                                      + b"13 path=../x\n".ljust(512, b"\0")), x]], None),
            ("a map that overlaps", [[file("x", b"ab", pax={
                "GNU.sparse.size": "4", "GNU.sparse.numblocks": "2",
                "GNU.sparse.map": "0,1,9999,1"})]], "bad_layer"),
            ("a map that is text", [[file("GNUSparseFile.0/x", b"one\ntwo\n".ljust(512), pax={
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x",
                "GNU.sparse.realsize": "4"})]], "bad_layer"),
            ("a map of 10^11 pieces", [[file("GNUSparseFile.0/x", b"99999999999\n".ljust(512, b"0"),
                                             pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                                                  "GNU.sparse.name": "x",
                                                  "GNU.sparse.realsize": "4"})]], "bad_layer"),
            ("GNU's map beyond the end", [[gnu_sparse("x", 512, [(1 << 30, b"a" * 512)])]],
             "bad_layer"),
            ("a name of sparse that leads out", [[file("GNUSparseFile.0/x", b"0\n".ljust(512), pax={
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                "GNU.sparse.name": "../../outside/etc/x", "GNU.sparse.realsize": "0"})]],
             "unsafe_path"),
            ("a long name", [[file(name, b"far")]], {**parents, name: b"far"}),
            ("thousands of records", [[pax_records([(b"comment", b"c" * 50)] * 10_000), x]],
             {"x": b"12345"}),
            ("a name that comes twice", [[pax_records([(b"path", b"y"), (b"path", b"z")]), x]],
             {"z": b"12345"}),
            ("sparse", [[pax_sparse("x", 2000, [(512, b"a" * 512)]),
                         gnu_sparse("y", 2048, [(1024, b"b" * 512)])]],
             {"x": bytes(512) + b"a" * 512 + bytes(976),
              "y": bytes(1024) + b"b" * 512 + bytes(512)}),
        ])

    def test_I18_names_are_kept_byte_by_byte_or_refused(self):
        odd = "new\nline \udcff\udcfe \x01\\"
        self.check([
            ("5,000 bytes", [[file("n" * 5000)]], "bad_name"),
            ("5,000 bytes in GNU's way", [[file("n" * 5000, format=tarfile.GNU_FORMAT)]],
             "bad_name"),
            ("5,000 bytes of directories", [[file("nnnn/" * 1000)]], "bad_name too_large"),
            ("256 bytes", [[file("n" * 256)]], "bad_name"),
            ("a NUL", [[pax_records([(b"path", b"a\0b")]), file("x")]], "bad_name"),
            ("a NUL in a link", [[pax_records([(b"linkpath", b"a\0b")]), symlink("x", "y")]],
             "bad_name bad_link"),
            ("no name", [[Raw(raw_header(b""))]], "bad_name"),
            ("a file for a root", [[Raw(raw_header(b"."))]], "bad_name"),
            ("bytes that are no text", [[file(odd, b"1", format=tarfile.GNU_FORMAT)]],
             {odd: b"1"}),
            ("the same in PAX", [[file(odd, b"1")]], {odd: b"1"}),
            ("255 bytes", [[file("n" * 255, b"1")]], {"n" * 255: b"1"}),
            ("a link's target of 5,000 bytes", [[symlink("l", "t" * 5000)]], "bad_link"),
            ("a link without a target", [[symlink("l", "")]], "bad_link"),
            ("a link's target that is no text", [[symlink("l", odd)]], {"l": "-> " + odd}),
        ])

    def test_I18_names_of_attributes_are_kept_or_left_out(self):
        records = [(b"SCHILY.xattr." + name, b"v") for name in (
            b"user.", b"user." + b"n" * 300, b"user.a/b", b"user.\xff", b"nothing", b"",
            b"trusted.x", b"trusted.overlay.opaque", b"trusted.overlay.redirect",
            b"security.selinux", b"security.capability", b"security.ima",
            b"system.posix_acl_access", b"user.good", b"system.nfs4_acl", b"os2.x")]
        records += [(b"SCHILY.xattr.user.large", b"v" * 70_000),
                    (b"SCHILY.acl.access", b"user::rwx"), (b"LIBARCHIVE.xattr.user.b64", b"dg=="),
                    (b"LIBARCHIVE.xattr.trusted.b64", b"dg==")]
        rootfs = self.deploy(image([pax_records(records), file("x", b"1"),
                                    pax_records(records), directory("d")]))
        for name in ("x", "d"):
            found = set(os.listxattr(os.path.join(rootfs, name)))
            self.assertEqual({each for each in found if not each.startswith("user.")}, set())
            self.assertIn("user.good", found)
            self.assertNotIn("user.large", found)
        self.assertEqual(shape_of(rootfs), {"x": b"1", "d": None})
        self.remove()

    def test_I19_owners_are_kept_or_refused_and_never_wrap_to_root(self):
        fields = [base256(value) for value in (-1, -2**31, 2**32, 2**32 - 1, 2**33, 2**62 - 1)]
        fields += [b"-0000001", b"99999999", b"root\0\0\0\0", b"\xff" * 8, b"0x000001"]
        texts = ("-1", "4294967295", "4294967296", "18446744073709551616", "8589934592", "0x0",
                 "root", "+1", " 1", "1 ", "1.5", "")
        rows = []
        for which in ("uid", "gid"):
            rows += [(f"{which} {field!r}", [[Raw(raw_header(b"x", **{which: field}))]],
                      "bad_owner bad_archive bad_layer") for field in fields]
            rows += [(f"PAX {which} {text!r}",
                      [[pax_records([(which.encode(), text.encode())]), file("x", uid=9, gid=9)]],
                      "bad_owner bad_archive" if text else None) for text in texts]
        self.check(rows)
        ids = (2**21 - 1, 2**21, 2**31 - 1, 2**31, 2**32 - 2)
        rootfs = self.deploy(image([
            *(file(f"p{n}", uid=n, gid=n) for n in ids),
            *(Raw(raw_header(b"b%d" % n, uid=base256(n), gid=base256(n))) for n in ids)]))
        for n in ids:
            for name in (f"p{n}", f"b{n}"):
                status = os.lstat(os.path.join(rootfs, name))
                self.assertEqual((status.st_uid, status.st_gid), (n, n), name)
        self.remove()


if __name__ == "__main__":
    unittest.main()
