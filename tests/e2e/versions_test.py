"""The versions of a function: kept, rolled back to, released; and the garbage that is left."""

import dataclasses
import json
import os
import shutil
import threading
import unittest

import faasd_process
import images
import machine
from faasd_process import FaasdTestCase, connect, curl, read_to_end, steady_clients
from image_tar import Filler, ImageTar, directory, file

MIB = 1 << 20


def numbered(number, size=4096):
    """An image of two layers, the upper one its own; it answers with what it is called."""
    return ImageTar([[images.program("misbehave")], [file("own", Filler(size, number))]],
                    {"Entrypoint": ["/misbehave", "answer"],
                     "Env": [f"NUMBER={number}"]}).build()


class VersionsTestCase(FaasdTestCase):
    def deploy(self, faasd, numbers, name="hello", size=4096):
        for number in numbers:
            address = faasd.deploy(name, numbered(number, size), "-e", f"DEPLOY={number}")
        return address

    @staticmethod
    def versions(faasd, name="hello"):
        answer = faasd.faas("versions", name, "--json", check=True).stdout
        return json.loads(answer)["versions"]

    def numbers(self, faasd, name="hello"):
        return [version["version"] for version in self.versions(faasd, name)]

    @staticmethod
    def stored(faasd, kind):
        return sorted(os.listdir(os.path.join(faasd.state_dir, kind)))

    def wait_for_store(self, faasd, image_count, layer_count, tree_count=None):
        def settled():
            return (len(self.stored(faasd, "images")) == image_count
                    and len(self.stored(faasd, "trees")) == (tree_count or image_count)
                    and len(self.stored(faasd, "layers")) == layer_count
                    and not self.stored(faasd, "staging"))
        faasd.log.wait_until(settled, f"not {image_count} images and {layer_count} layers: "
                             f"{machine.tree(faasd.state_dir)[:40]}")


class Versions(VersionsTestCase):
    def test_of_five_deploys_three_are_kept_and_the_layers_of_the_others_leave_the_disk(self):
        faasd = self.start()
        self.deploy(faasd, range(1, 6))
        self.assertEqual(self.numbers(faasd), [5, 4, 3])
        self.wait_for_store(faasd, 3, 4)  # one layer is everybody's
        described = faasd.describe("hello")
        self.assertEqual(described["kept_versions"], 3)
        self.assertNotIn("previous", described)
        text = faasd.faas("versions", "hello", check=True).stdout.splitlines()
        self.assertEqual(text[1].split()[:3],
                         ["5", "*", described["image"].removeprefix("sha256:")[:12]])
        faasd.faas("rm", "hello", check=True)
        self.wait_for_store(faasd, 0, 0)

    def test_as_many_are_kept_as_the_flag_says(self):
        for flag in ("0", "101", "many"):
            faasd = self.start("--keep-versions", flag, wait=False)
            faasd.expected_status = faasd.wait_exit()
            self.assertNotEqual(faasd.expected_status, 0)
            self.assertIn("--keep-versions", faasd.log.tail())
        faasd = self.start("--keep-versions", "1")
        self.deploy(faasd, (1, 2))
        self.assertEqual(self.numbers(faasd), [2])
        self.wait_for_store(faasd, 1, 2)
        refused = faasd.faas("rollback", "hello")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("kept of 'hello': 2", refused.stderr)

    def test_of_two_functions_share_an_image_until_the_last_lets_go(self):
        faasd = self.start("--keep-versions", "2")
        self.deploy(faasd, (1,), "other")
        self.deploy(faasd, (1, 2, 3), "hello")
        self.wait_for_store(faasd, 3, 4)
        faasd.faas("rm", "other", check=True)
        self.wait_for_store(faasd, 2, 3)

    def test_that_are_dropped_stay_on_the_disk_while_an_instance_runs_on_them(self):
        faasd = self.start("--keep-versions", "1")
        address = faasd.deploy("hello")
        with connect(address) as held:
            faasd.log.wait_until(faasd.containers, "no container started")
            self.deploy(faasd, (2,))
            freed = json.loads(faasd.faas("gc", "--json", check=True).stdout)
            self.assertEqual(freed["images"], 0)
            self.assertEqual(len(self.stored(faasd, "images")), 2)
            held.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", read_to_end(held)[:20])
        self.wait_for_store(faasd, 1, 2)


class ARollback(VersionsTestCase):
    def test_brings_back_image_options_and_environment_and_refuses_no_connection(self):
        faasd = self.start()
        address = faasd.deploy("hello", faasd_process.HELLO_TAR, "--memory", "64M", "-e", "A=one")
        first = faasd.describe("hello")
        self.assertIn(b"hello", curl(address).body.lower())
        self.deploy(faasd, (2, 3))
        self.assertNotIn(b"hello", curl(address).body.lower())
        with steady_clients(address):
            done = faasd.faas("rollback", "hello", "1", check=True)
            self.assertIn("version 4, a rollback of 1", done.stdout)
            for _ in range(8):  # there and back
                faasd.faas("rollback", "hello", check=True)
        last = faasd.describe("hello")
        self.assertEqual(last["version"], 12)
        self.assertEqual(last["ip"], address)
        for key in ("image", "limits", "env", "cmd", "protocol"):
            self.assertEqual(last[key], first[key], key)
        self.assertIn(b"hello", curl(address).body.lower())
        self.assertEqual(self.versions(faasd)[0]["rollback_of"], 10)
        self.assertIn("rollback of 10", faasd.faas("versions", "hello", check=True).stdout)

    def test_to_a_version_that_is_not_kept_names_those_that_are(self):
        faasd = self.start()
        self.deploy(faasd, range(1, 5))
        for unknown in ("1", "5", "99"):
            done = faasd.faas("rollback", "hello", unknown)
            self.assertEqual(done.returncode, 1)
            self.assertIn("4, 3, 2", done.stderr)
        status, _, answer = faasd.api("POST", "/v1/functions/hello/rollback?version=9")
        self.assertEqual((status, answer["code"]), (404, "unknown_version"))
        self.assertEqual(faasd.api("POST", "/v1/functions/other/rollback")[0], 404)
        status, _, answer = faasd.api("POST", "/v1/functions/hello/rollback?version=4")
        self.assertEqual((status, answer["code"]), (409, "already_current"))
        self.assertEqual(faasd.describe("hello")["version"], 4)

    def test_of_a_function_that_is_called_versions_works_like_any_other(self):
        faasd = self.start()
        for name in ("versions", "rollback"):
            self.deploy(faasd, (1, 2), name)
            faasd.faas("rollback", name, check=True)
            self.assertEqual(self.numbers(faasd, name), [3, 2, 1])
            self.assertEqual(faasd.api("GET", f"/v1/functions/{name}")[2]["name"], name)

    def test_to_an_image_that_was_lost_says_so_and_leaves_the_current_version(self):
        faasd = self.start()
        self.deploy(faasd, (1, 2))
        lost = self.versions(faasd)[1]["image"].removeprefix("sha256:")
        faasd.stop()
        shutil.rmtree(os.path.join(faasd.state_dir, "images", lost))
        again = self.restart(faasd)
        done = again.faas("rollback", "hello")
        self.assertEqual(done.returncode, 1)
        self.assertIn("version 1 of 'hello' cannot come back", done.stderr)
        self.assertEqual(curl(again.ip("hello")).status, 200)

    def test_beside_deploys_and_removals_of_the_same_images_loses_none(self):
        faasd = self.start("--keep-versions", "2")
        archives = [numbered(number) for number in range(3)]
        for name in ("a", "b"):
            faasd.deploy(name, archives[0])
            faasd.deploy(name, archives[1])
        failures = []

        def change(name, verbs):
            for verb in verbs:
                done = faasd.faas(*verb[0], **verb[1])
                if done.returncode != 0:
                    failures.append((name, verb[0], done.stderr))
        rounds = 6
        threads = [threading.Thread(target=change, args=(name, verbs)) for name, verbs in (
            ("a", [(("rollback", "a"), {})] * rounds),
            ("b", [(("new", "b"), {"input": archives[at % 3]}) for at in range(rounds)]),
            ("c", [step for at in range(rounds) for step in
                   ((("new", "c"), {"input": archives[at % 3]}), (("rm", "c"), {}))]),
            ("gc", [(("gc",), {})] * rounds))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        for name in ("a", "b"):
            for _ in range(2):
                faasd.faas("rollback", name, check=True)
                self.assertEqual(curl(faasd.ip(name)).status, 200)
        named = {version["image"] for name in ("a", "b") for version in self.versions(faasd, name)}
        self.wait_for_store(faasd, len(named), len(named) + 1)


class ARestart(VersionsTestCase):
    def test_keeps_versions_and_their_images(self):
        first = self.start()
        self.deploy(first, (1, 2, 3, 4))
        before = self.versions(first)
        first.kill9()
        # Fewer to be kept: what is there stays until the next deploy.
        second = self.restart(first, "--keep-versions", "2")
        self.assertEqual(self.versions(second), before)
        second.faas("rollback", "hello", "2", check=True)
        self.assertEqual(curl(second.ip("hello")).status, 200)
        self.assertEqual(self.numbers(second), [5, 4])
        self.wait_for_store(second, 2, 3)

    def test_takes_the_file_of_a_daemon_that_kept_no_versions(self):
        first = self.start()
        self.deploy(first, (1,))
        first.stop()
        path = os.path.join(first.state_dir, "functions", "hello.json")
        with open(path, encoding="utf-8") as record:
            function = json.load(record)
        self.assertEqual(function.pop("previous"), [])
        with open(path, "w", encoding="utf-8") as record:
            json.dump(function, record)
        second = self.restart(first)
        self.deploy(second, (2,))
        self.assertEqual(self.numbers(second), [2, 1])

    def test_after_a_crash_removes_images_that_no_function_names(self):
        first = self.start()
        self.deploy(first, (1, 2))
        self.orphan(first, 3)
        first.kill9()
        self.wait_for_store(first, 3, 4)
        second = self.restart(first)
        self.wait_for_store(second, 2, 3)
        second.faas("rollback", "hello", check=True)
        self.assertEqual(curl(second.ip("hello")).status, 200)

    def test_keeps_the_images_of_functions_that_cannot_be_read_or_restored(self):
        first = self.start()
        self.deploy(first, (1, 2), "bad")
        self.deploy(first, (3, 4), "good")
        self.orphan(first, 5)
        first.stop()
        record = os.path.join(first.state_dir, "functions", "bad.json")
        shutil.copy(record, record + ".whole")
        with open(record, "r+", encoding="utf-8") as function:
            function.truncate(20)
        for _ in range(2):  # the second start finds the file set aside already
            second = self.restart(first)
            second.log.wait_for("images_kept")
            answer = second.faas("gc", check=True)
            self.assertIn("bad.json.corrupt", answer.stderr)
            self.wait_for_store(second, 5, 6)
            second.stop()
        os.rename(record + ".whole", record)
        os.unlink(record + ".corrupt")
        third = self.restart(first)
        third.faas("rollback", "bad", check=True)
        self.assertEqual(curl(third.ip("bad")).status, 200)
        self.wait_for_store(third, 4, 5)

    def test_keeps_the_versions_of_a_function_whose_image_was_lost(self):
        first = self.start()
        self.deploy(first, (1, 2))
        lost = self.versions(first)[0]["image"].removeprefix("sha256:")
        first.stop()
        shutil.rmtree(os.path.join(first.state_dir, "images", lost))
        second = self.restart(first)
        second.log.wait_for("function_not_restored", function="hello")
        second.faas("gc", check=True)
        self.wait_for_store(second, 1, 2)
        self.deploy(second, (2,))
        self.assertEqual(self.numbers(second), [3, 2, 1])
        second.faas("rollback", "hello", "1", check=True)
        self.assertEqual(curl(second.ip("hello")).status, 200)

    def test_gives_a_function_whose_image_was_lost_its_address_back_or_lets_it_be_removed(self):
        first = self.start()
        for number, name in enumerate(("again", "away", "other")):
            self.deploy(first, (number,), name)
        addresses = {name: first.ip(name) for name in ("again", "away")}
        lost = [first.describe(name)["image"].removeprefix("sha256:") for name in addresses]
        first.stop()
        for image in lost:
            shutil.rmtree(os.path.join(first.state_dir, "images", image))
        second = self.restart(first)
        done = second.faas("ip", "away")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not come back", done.stderr)
        self.assertNotIn(second.deploy("new", numbered(9)), addresses.values())
        self.assertEqual(self.deploy(second, (0,), "again"), addresses["again"])
        self.assertEqual(curl(addresses["again"]).status, 200)
        second.faas("rm", "away", check=True)
        self.assertEqual(second.faas("rm", "away").returncode, 1)
        self.assertEqual(second.deploy("last", numbered(8)), addresses["away"])
        self.wait_for_store(second, 4, 5)

    def orphan(self, faasd, number):
        """What a crash between publishing an image and recording its function leaves."""
        faasd.deploy("orphan", numbered(number))
        kinds = ("images", "trees", "layers")
        state = {kind: set(self.stored(faasd, kind)) for kind in kinds}
        copies = os.path.join(faasd.directory, "copies")
        for kind, names in state.items():
            for name in names:
                shutil.copytree(os.path.join(faasd.state_dir, kind, name),
                                os.path.join(copies, kind, name), symlinks=True)
        faasd.faas("rm", "orphan", check=True)
        faasd.log.wait_until(lambda: all(set(self.stored(faasd, kind)) != state[kind]
                                         for kind in kinds), "the image is still there")
        for kind, names in state.items():
            for name in names - set(self.stored(faasd, kind)):
                shutil.move(os.path.join(copies, kind, name),
                            os.path.join(faasd.state_dir, kind, name))
        shutil.rmtree(copies)


class SharedDirectories(VersionsTestCase):
    """The program itself lies in one: an instance that answers has seen it."""

    @staticmethod
    def image(number):
        base = [directory("usr"), dataclasses.replace(images.program("misbehave"),
                                                      path="usr/bin/misbehave")]
        base += [directory(f"usr/lib/{at}") for at in range(20)]
        return ImageTar([base, [file("own", Filler(4096, number))]],
                        {"Entrypoint": ["/usr/bin/misbehave", "answer"]}).build()

    def deploy_image(self, faasd, name, number):
        self.assertEqual(curl(faasd.deploy(name, self.image(number))).status, 200)

    @staticmethod
    def mounts(faasd):
        return [mount for mount in machine.mount_points(faasd.process.pid)
                if mount.startswith(faasd.run_dir)]

    def grafts(self, faasd):
        for name in self.stored(faasd, "images"):
            with open(os.path.join(faasd.state_dir, "images", name, "image.json"),
                      encoding="utf-8") as record:
                yield from json.load(record)["grafts"]

    def test_are_seen_by_every_image_and_stay_for_the_last_one(self):
        faasd = self.start()
        self.deploy_image(faasd, "one", 1)
        self.deploy_image(faasd, "two", 2)
        self.assertEqual([graft["path"] for graft in self.grafts(faasd)], ["usr"])
        self.assertIn("usr/lib/7", machine.tree(faasd.rootfs("two")))
        faasd.faas("rm", "one", check=True)
        self.wait_for_store(faasd, 1, 2, 2)
        self.assertEqual(curl(faasd.ip("two")).status, 200)
        faasd.kill9()
        again = self.restart(faasd)
        self.assertEqual(curl(again.ip("two")).status, 200)
        self.deploy_image(again, "three", 3)
        again.faas("rm", "two", check=True)
        self.assertEqual(curl(again.ip("three")).status, 200)
        again.faas("rm", "three", check=True)
        self.wait_for_store(again, 0, 0)
        self.assertEqual(self.mounts(again), [])

    def test_of_a_version_that_was_replaced_are_seen_by_those_who_still_run(self):
        faasd = self.start("--keep-versions", "1")
        self.deploy_image(faasd, "base", 0)
        address = faasd.deploy("app", self.image(1))
        with connect(address) as sock:
            faasd.log.wait_until(faasd.containers, "no instance")
            self.deploy_image(faasd, "app", 2)
            self.assertEqual(len(self.stored(faasd, "images")), 3)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200", read_to_end(sock))
        self.wait_for_store(faasd, 2, 3)
        faasd.log.wait_until(lambda: not any("/app.0" in each for each in self.mounts(faasd)),
                             "its mounts are still there")


class Garbage(VersionsTestCase):
    def test_is_nothing_where_everything_is_used(self):
        faasd = self.start()
        self.deploy(faasd, (1, 2))
        self.wait_for_store(faasd, 2, 3)
        answer = faasd.api("POST", "/v1/gc")
        self.assertEqual((answer[0], answer[2]), (200, {"images": 0, "layers": 0, "bytes": 0}))
        faasd.log.wait_for("audit", target="/v1/gc", status=200)
        self.assertEqual(faasd.faas("gc", check=True).stdout,
                         "freed 0 B; removed 0 unused images, 0 unused layers\n")

    def test_of_a_corrupt_image_is_freed_and_seen_on_the_disk(self):
        first = self.start()
        self.deploy(first, (1, 2), size=8 * MIB)
        corrupt = self.versions(first)[1]["image"].removeprefix("sha256:")
        first.stop()
        with open(os.path.join(first.state_dir, "images", corrupt, "image.json"), "r+",
                  encoding="utf-8") as record:
            record.truncate(10)
        second = self.restart(first)
        second.log.wait_for("image_set_aside", image=corrupt)
        self.wait_for_store(second, 2, 2, 1)  # its own layer and tree went at the start
        freed = json.loads(second.faas("gc", "--json", check=True).stdout)
        self.assertEqual((freed["images"], freed["layers"]), (1, 0))
        self.assertGreater(freed["bytes"], 0)
        self.assertLess(freed["bytes"], 1 * MIB)
        self.assertEqual(len(self.stored(second, "images")), 1)
        self.assertEqual(self.stored(second, "staging"), [])
        self.assertEqual(curl(second.ip("hello")).status, 200)

    def test_of_layers_that_appeared_from_nowhere_is_freed(self):
        faasd = self.start()
        self.deploy(faasd, (1,))
        layer = os.path.join(faasd.state_dir, "layers", "a" * 64)
        os.mkdir(layer)
        with open(os.path.join(layer, "big"), "wb") as big:
            big.write(b"x" * MIB)
        freed = json.loads(faasd.faas("gc", "--json", check=True).stdout)
        self.assertEqual((freed["images"], freed["layers"]), (0, 1))
        self.assertGreaterEqual(freed["bytes"], MIB)
        self.wait_for_store(faasd, 1, 2)

    def test_is_collected_by_those_who_may_deploy_alone(self):
        faasd = self.start()
        denied = faasd.api("POST", "/v1/gc", headers={"Origin": "http://evil.example"},
                           unix=False)
        self.assertEqual(denied[0], 403)


if __name__ == "__main__":
    unittest.main()
