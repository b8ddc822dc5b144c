"""Deploying, replacing, looking and removing, by the command line and by the HTTP interfaces."""

import json
import os
import threading
import unittest
import urllib.error
import urllib.request

import faasd_process
import images
import machine
from faasd_process import HELLO_TAR, FaasdTestCase, curl, steady_clients

MIB = 1 << 20


class ADeploy(FaasdTestCase):
    def setUp(self):
        super().setUp()
        self.faasd = self.start()

    def assert_answers(self, address):
        reply = curl(address)
        self.assertEqual(reply.status, 200, reply)

    def test_from_stdin_gives_an_address_that_answers(self):
        with open(HELLO_TAR, "rb") as archive:
            done = self.faasd.faas("new", "hello", input=archive)
        self.assertEqual(done.returncode, 0, done.stderr)
        address = self.faasd.ip("hello")
        self.assertEqual(address, self.faasd.subnet.prefix + "10")
        self.assert_answers(address)

    def test_from_a_file_does_the_same(self):
        done = self.faasd.faas("new", "hello", "-f", HELLO_TAR)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_answers(self.faasd.ip("hello"))

    def test_by_chunked_http_does_the_same(self):
        def parts():
            with open(HELLO_TAR, "rb") as archive:
                while part := archive.read(10_000):
                    yield part
        status, _, answer = self.faasd.api("PUT", "/v1/functions/hello", parts(),
                                           {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        self.assertIn(status, (200, 201), answer)
        self.assertEqual(answer["name"], "hello")
        self.assert_answers(answer["ip"])

    def test_a_pipe_that_trickles_does_the_same(self):
        reader, writer = os.pipe()
        with open(HELLO_TAR, "rb") as file:
            data = file.read()

        def trickle():
            with os.fdopen(writer, "wb", buffering=0) as pipe:
                for at in range(0, len(data), 701):
                    pipe.write(data[at:at + 701])
        thread = threading.Thread(target=trickle)
        thread.start()
        with os.fdopen(reader, "rb") as pipe:
            done = self.faasd.faas("new", "hello", input=pipe)
        thread.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_answers(self.faasd.ip("hello"))

    def test_counts_addresses_upward_and_reuses_what_was_freed(self):
        addresses = [self.faasd.deploy(f"f{number}") for number in range(3)]
        self.assertEqual(addresses, [self.faasd.subnet.prefix + str(10 + n) for n in range(3)])
        self.faasd.faas("rm", "f1", check=True)
        self.assertEqual(self.faasd.deploy("f3"), addresses[1])

    def test_is_seen_in_list_and_describe(self):
        address = self.faasd.deploy("hello", HELLO_TAR, "--memory", "64M", "-e", "COLOUR=blue")
        listed = json.loads(self.faasd.faas("list", "--json", check=True).stdout)
        self.assertIn(address, json.dumps(listed))
        described = json.dumps(self.faasd.describe("hello"))
        for part in (address, str(64 * MIB), "COLOUR=blue", "/hello"):
            self.assertIn(part, described)
        text = self.faasd.faas("list", check=True).stdout
        self.assertIn("hello", text)
        self.assertIn(address, text)

    def test_again_is_version_2_at_the_same_address(self):
        first = self.faasd.deploy("hello")
        self.assertEqual(self.faasd.describe("hello")["version"], 1)
        second = self.faasd.deploy("hello")
        self.assertEqual(first, second)
        self.assertEqual(self.faasd.describe("hello")["version"], 2)
        self.assert_answers(second)

    def test_of_a_big_image_needs_little_memory(self):
        self.faasd.deploy("hello")  # what the first import costs is not the subject
        daemon = self.faasd.process.pid
        with (images.big_archive(300 * MIB) as archive,
              machine.watched(lambda: machine.resident_bytes(daemon)) as sizes):
            result = self.faasd.faas("new", "big", input=archive, timeout_s=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        before, peak = sizes[0], max(sizes)
        self.assertLess(peak - before, 64 * MIB, f"from {before} to {peak} bytes")
        self.assert_answers(self.faasd.ip("big"))

    def test_of_one_image_under_two_names_shares_it(self):
        self.faasd.deploy("one")
        self.faasd.deploy("two")
        self.assertEqual(len(os.listdir(os.path.join(self.faasd.state_dir, "images"))), 1)
        self.faasd.faas("rm", "one", check=True)
        self.assert_answers(self.faasd.ip("two"))


class AReplacement(FaasdTestCase):
    def test_under_load_refuses_no_connection(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        other = images.misbehave("answer")
        with steady_clients(address):
            for number in range(6):
                faasd.deploy("hello", other if number % 2 == 0 else HELLO_TAR)
        self.assertEqual(faasd.describe("hello")["version"], 7)

    def test_lets_an_old_instance_finish(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        with faasd_process.connect(address) as held:
            faasd.log.wait_until(faasd.containers, "no container started")
            faasd.deploy("hello", images.misbehave("answer"))
            held.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", faasd_process.read_to_end(held)[:20])
        self.assertEqual(curl(address).status, 200)

    def test_that_fails_leaves_the_old_version_running(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        done = faasd.faas("new", "hello", input=b"no tar at all")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(faasd.describe("hello")["version"], 1)
        self.assertEqual(curl(address).status, 200)


class ARemoval(FaasdTestCase):
    def test_takes_everything_of_the_function(self):
        faasd = self.start()
        state_before = machine.tree(faasd.state_dir)
        before = faasd.idle_footprint()
        address = faasd.deploy("hello")
        self.assertEqual(curl(address).status, 200)
        faasd.faas("rm", "hello", check=True)
        self.assertEqual(faasd.faas("ip", "hello").returncode, 1)
        with self.assertRaises(OSError):
            faasd_process.connect(address)
        self.assertNotIn(address, {a for a, _ in machine.ipv4_addresses()})
        faasd.log.wait_until(lambda: machine.tree(faasd.state_dir) == state_before,
                             "the image is still on the disk")
        faasd.wait_for_footprint(before)

    def test_of_several_names_at_once(self):
        faasd = self.start()
        for name in ("one", "two"):
            faasd.deploy(name)
        faasd.faas("rm", "one", "two", check=True)
        self.assertEqual(faasd.api("GET", "/api/list")[2], {})

    def test_of_an_unknown_name_is_refused_and_named(self):
        done = self.start().faas("rm", "nothere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothere", done.stderr)

    def test_lets_a_running_instance_finish(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        with faasd_process.connect(address) as held:
            faasd.log.wait_until(faasd.containers, "no container started")
            removed = []
            thread = threading.Thread(target=lambda: removed.append(faasd.faas("rm", "hello")))
            thread.start()
            faasd.log.wait_until(
                lambda: not self.accepts(address) or removed, "it still accepts connections")
            held.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", faasd_process.read_to_end(held)[:20])
            thread.join()
        self.assertEqual(removed[0].returncode, 0, removed[0].stderr)

    @staticmethod
    def accepts(address):
        try:
            faasd_process.connect(address).close()
            return True
        except OSError:
            return False


class TheInterfaceOfTheEarlierDaemon(FaasdTestCase):
    """/api/new, /api/ip and /api/list, as its Python client calls them."""

    def setUp(self):
        super().setUp()
        self.faasd = self.start()
        self.url = "http://" + self.faasd.listen

    def call(self, path, body=None, headers=None):
        request = urllib.request.Request(self.url + path, body, headers or {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.assertIn("application/json", answer.headers["Content-Type"])
            return json.load(answer)

    def test_deploys_tells_the_address_and_lists(self):
        with open(HELLO_TAR, "rb") as archive:
            data = archive.read()
        made = self.call("/api/new", data, {"X-Image-Name": "hello",
                                            "Content-Type": "application/x-tar"})
        self.assertEqual(made["name"], "hello")
        self.assertEqual(made["cmd"], ["/hello"])
        self.assertEqual(self.call("/api/ip/hello"), {"name": "hello", "ip": made["ip"]})
        listed = self.call("/api/list")
        self.assertEqual(listed["hello"]["ip"], made["ip"])
        self.assertEqual(listed["hello"]["cmd"], ["/hello"])
        self.assertTrue(os.path.isdir(listed["hello"]["rootfs"]))
        with urllib.request.urlopen(f"http://{made['ip']}/", timeout=60) as answer:
            self.assertEqual(answer.status, 200)

    def test_takes_a_chunked_upload(self):
        with open(HELLO_TAR, "rb") as archive:
            made = self.call("/api/new", archive, {"X-Image-Name": "hello"})
        self.assertEqual(curl(made["ip"]).status, 200)

    def test_says_404_for_an_unknown_name(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.call("/api/ip/nothere")
        with caught.exception as answer:
            self.assertEqual(answer.code, 404)
            self.assertIn("nothere", json.load(answer)["error"])

    def test_says_400_without_a_name(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.call("/api/new", b"x")
        with caught.exception as answer:
            self.assertEqual(answer.code, 400)


if __name__ == "__main__":
    unittest.main()
