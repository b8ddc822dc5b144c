"""Starting, stopping, dying and coming back."""

import glob
import json
import os
import socket
import subprocess
import tempfile
import threading
import unittest

import faasd_process
import images
import machine
from faasd_process import FaasdTestCase, connect, curl, read_to_end

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class AStart(FaasdTestCase):
    def test_says_ready_once_with_its_addresses(self):
        faasd = self.start()
        ready = faasd.log.wait_for("ready")
        text = json.dumps(ready)
        self.assertIn(faasd.socket, text)
        self.assertIn(faasd.subnet.cidr, text)
        host, _, port = faasd.listen.rpartition(":")
        self.assertEqual(host, "127.0.0.1")
        self.assertGreater(int(port), 0)
        self.assertEqual(faasd.stop(), 0)
        self.assertEqual(len(faasd.log.find("ready")), 1)

    def test_without_listen_has_no_tcp_port(self):
        faasd = self.start(listen=False)
        self.assertIsNone(faasd.listen)
        self.assertEqual(faasd.api("GET", "/api/list")[0], 200)
        self.assertIsNone(self.start(listen=None, env={"FAASD_LISTEN": ""}).listen)

    def test_tells_the_service_supervisor_when_it_is_ready_and_when_it_stops(self):
        with tempfile.TemporaryDirectory(prefix="n-") as directory:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
                path = os.path.join(directory, "notify")
                supervisor.bind(path)
                supervisor.settimeout(faasd_process.PATIENCE_S)
                faasd = self.start(env={"NOTIFY_SOCKET": path})
                self.assertIn(b"READY=1", supervisor.recv(4096))
                faasd.terminate()
                self.assertIn(b"STOPPING=1", supervisor.recv(4096))

    def test_takes_its_flags_from_the_environment_and_from_a_file_too(self):
        with tempfile.NamedTemporaryFile("w", prefix="config-", suffix=".ini") as config:
            config.write("function-port = 8124\n")
            config.flush()
            faasd = self.start("--config", config.name)
            self.assertEqual(curl(faasd.deploy("hello"), port=8124).status, 200)
        other = self.start(env={"FAASD_FUNCTION_PORT": "8125"})
        self.assertEqual(curl(other.deploy("hello"), port=8125).status, 200)

    def test_refuses_unknown_flags_and_bad_values_by_name(self):
        for flags in (["--no-such-flag"], ["--function-port", "70000"], ["--log-level", "loud"],
                      ["--listen", "nonsense"]):
            with self.subTest(flags=flags):
                faasd = self.start(*flags, wait=False)
                faasd.expected_status = faasd.wait_exit()
                self.assertNotEqual(faasd.expected_status, 0)
                self.assertIn(flags[-1], faasd.log.tail())

    def test_refuses_a_misspelt_name_in_its_file(self):
        with tempfile.NamedTemporaryFile("w", prefix="config-", suffix=".ini") as config:
            config.write("tokenfile = /etc/faasd/token\n")
            config.flush()
            faasd = self.start("--config", config.name, wait=False)
            faasd.expected_status = faasd.wait_exit()
        self.assertEqual(faasd.expected_status, 2)
        self.assertIn("tokenfile", faasd.log.tail())

    def test_without_a_runtime_answers_502_and_names_it_in_the_log(self):
        faasd = self.start("--launcher", "/nowhere/runc")
        reply = curl(faasd.deploy("hello"))
        self.assertEqual((reply.status, reply.json()["code"]), (502, "launch_failed"))
        self.assertIn("/nowhere/runc", faasd.log.wait_for("receipt")["reason"])

    def test_as_another_user_than_root_says_so(self):
        faasd = self.start(wait=False,
                           prefix=("setpriv", "--reuid", "65534", "--regid", "65534",
                                   "--clear-groups"))
        faasd.expected_status = faasd.wait_exit()
        self.assertNotEqual(faasd.expected_status, 0)
        self.assertIn("root", faasd.log.tail())


class ASecondDaemon(FaasdTestCase):
    def test_on_the_same_directories_refuses_and_names_the_holder(self):
        first = self.start()
        address = first.deploy("hello")
        second = self.restart(first, wait=False)
        second.expected_status = second.wait_exit()
        self.assertNotEqual(second.expected_status, 0)
        self.assertIn(str(first.process.pid), second.log.tail())
        self.assertEqual(curl(address).status, 200)

    def test_on_directories_of_its_own_disturbs_nobody(self):
        first, second = self.start(), self.start()
        one, two = first.deploy("hello"), second.deploy("hello")
        self.assertNotEqual(one, two)
        self.assertEqual(curl(one).status, 200)
        self.assertEqual(second.stop(), 0)
        self.assertEqual(curl(one).status, 200)


class Sigterm(FaasdTestCase):
    def test_K10_lets_running_ones_finish_refuses_new_ones_and_exits_0(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        with connect(address) as held:
            faasd.log.wait_until(faasd.containers, "no container started")
            faasd.terminate()
            faasd.log.wait_until(lambda: self.refuses(address), "it still accepts connections")
            held.sendall(REQUEST)
            self.assertIn(b"200", read_to_end(held)[:20])
        self.assertEqual(faasd.wait_exit(), 0)

    def test_ends_those_that_outlast_the_drain_timeout(self):
        faasd = self.start("--drain-timeout", "1s")
        address = faasd.deploy("slow", images.misbehave("partial-then-hang"))
        with connect(address) as held:
            held.sendall(REQUEST)
            self.assertNotEqual(held.recv(1), b"")  # so it is at work
            faasd.terminate()
            self.assertEqual(faasd.wait_exit(), 0)
            try:
                read_to_end(held)  # it ends, whatever it says
            except ConnectionResetError:
                pass
        receipt = faasd.log.find("receipt")[0]
        self.assertEqual(receipt["outcome"], "timeout")
        self.assertIn("shutting down", receipt["reason"])

    def test_K10_under_load_exits_0_and_leaves_nothing(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        answers = []

        def load():
            try:
                while True:
                    answers.append(curl(address).status)
            except OSError:
                pass
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        faasd.log.wait_until(lambda: len(answers) > 10, "no answers")
        faasd.terminate()
        self.assertEqual(faasd.wait_exit(), 0)
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(answers), {200, 503})

    def test_during_an_upload_leaves_no_half_image(self):
        faasd = self.start()
        reader, writer = os.pipe()
        upload = subprocess.Popen([faasd_process.binary("faas"), "--socket", faasd.socket, "new",
                                   "hello"], stdin=reader, stderr=subprocess.PIPE)
        os.close(reader)
        with open(faasd_process.HELLO_TAR, "rb") as archive:
            os.write(writer, archive.read(4096))
        faasd.log.wait_until(
            lambda: any("staging" in path or "import" in path or path.count("/") > 0
                        for path in machine.tree(faasd.state_dir)), "the import did not start")
        faasd.terminate()
        self.assertEqual(faasd.wait_exit(), 0)
        os.close(writer)
        upload.communicate(timeout=60)
        self.assertNotEqual(upload.returncode, 0)
        for kind in ("images", "trees", "layers", "functions"):
            self.assertEqual(machine.tree(os.path.join(faasd.state_dir, kind)), [])

    @staticmethod
    def refuses(address):
        try:
            connect(address).close()
            return False
        except OSError:
            return True


class ARestart(FaasdTestCase):
    def test_brings_functions_back_with_their_addresses_versions_and_options(self):
        first = self.start()
        first.deploy("one")
        two = first.deploy("two", faasd_process.HELLO_TAR, "--memory", "64M", "-e", "A=b")
        first.faas("rm", "one", check=True)
        first.deploy("two", faasd_process.HELLO_TAR, "--memory", "96M", "-e", "A=c")
        described = first.describe("two")
        self.assertEqual(first.stop(), 0)
        self.assertNotIn(two, {a for a, _ in machine.ipv4_addresses()})

        second = self.restart(first)
        self.assertEqual(second.ip("two"), two)
        again = second.describe("two")
        for key in ("name", "ip", "version", "image", "limits", "env", "created_at"):
            self.assertEqual(again.get(key), described.get(key), key)
        self.assertEqual(curl(two).status, 200)
        self.assertEqual(list(second.api("GET", "/api/list")[2]), ["two"])

    def test_K6_with_a_corrupt_function_file_sets_it_aside_and_names_it(self):
        first = self.start()
        good, bad = first.deploy("good"), first.deploy("bad")
        first.stop()
        path = os.path.join(first.state_dir, "functions", "bad.json")
        with open(path, "r+", encoding="utf-8") as file:
            file.truncate(20)
        second = self.restart(first)
        self.assertEqual(curl(good).status, 200)
        self.assertEqual(second.faas("ip", "bad").returncode, 1)
        self.assertIn("bad.json", second.log.tail())
        self.assertFalse(os.path.exists(path))
        self.assertTrue(os.path.exists(path + ".corrupt"))
        self.assertEqual(second.deploy("bad"), bad)

    def test_with_an_image_that_is_gone_keeps_the_others(self):
        first = self.start()
        good = first.deploy("good")
        first.stop()
        record = os.path.join(first.state_dir, "functions", "good.json")
        with open(record, encoding="utf-8") as file:
            function = json.load(file)
        function.update(name="orphan", image="sha256:" + "0" * 64)
        if "ip" in function:
            function["ip"] = first.subnet.prefix + "20"
        if "address" in function:
            function["address"] = first.subnet.prefix + "20"
        with open(os.path.join(first.state_dir, "functions", "orphan.json"), "w",
                  encoding="utf-8") as file:
            json.dump(function, file)
        second = self.restart(first)
        self.assertEqual(curl(good).status, 200)
        self.assertIn("orphan", second.log.tail())


class AKill9(FaasdTestCase):
    def test_K2_leaves_nothing_that_the_next_start_does_not_remove(self):
        first = self.start()
        address = first.deploy("hello")
        held = [connect(address) for _ in range(3)]
        for sock in held:
            sock.sendall(b"G")  # not enough to be answered
        first.log.wait_until(lambda: sum(machine.command_of(pid) == "/hello"
                                         for pid in first.containers()) == 3,
                             "no containers started")
        configs = os.path.join(first.run_dir, "bundles", "*", "config.json")
        first.log.wait_until(lambda: len(glob.glob(configs)) == 3, "they are not marked")
        first.kill9()
        second = self.restart(first)
        receipts = [json.loads(line) for line in
                    second.faas("receipts", "hello", "--json").stdout.splitlines()]
        self.assertEqual([(receipt["outcome"], receipt["signal"]) for receipt in receipts],
                         [("signal", 9)] * 3)
        self.assertIn("faasd was killed", receipts[0]["reason"])
        self.assertGreater(receipts[0]["cpu_ms"], 0)
        for sock in held:
            with sock:
                try:
                    read_to_end(sock)  # its container is gone
                except ConnectionResetError:
                    pass
        self.assertEqual(curl(address).status, 200)
        second.idle_footprint()
        all_there = machine.descendants(os.getpid())  # before those that the second one adds
        known = {second.process.pid, *machine.descendants(second.process.pid)}
        alive = [machine.command_of(pid) for pid in all_there
                 if pid not in known and not first.reap(pid)]
        self.assertEqual([command for command in alive if command != "(gone)"], [])

    def test_of_one_daemon_is_no_matter_for_another(self):
        other = self.start()
        theirs = other.deploy("hello")
        first = self.start()
        ours = first.deploy("hello")
        with connect(theirs) as held, connect(ours):
            other.log.wait_until(other.containers, "no container started")
            first.log.wait_until(first.containers, "no container started")
            first.kill9()
            self.restart(first)
            held.sendall(REQUEST)
            self.assertIn(b"200", read_to_end(held)[:20])
        self.assertEqual(curl(theirs).status, 200)

    def test_during_an_upload_leaves_no_half_image_after_the_next_start(self):
        first = self.start()
        first.deploy("hello")
        first.idle_footprint()
        before = machine.tree(first.state_dir)
        reader, writer = os.pipe()
        upload = subprocess.Popen([faasd_process.binary("faas"), "--socket", first.socket, "new",
                                   "half"], stdin=reader, stderr=subprocess.PIPE)
        os.close(reader)
        with open(faasd_process.HELLO_TAR, "rb") as archive:
            os.write(writer, archive.read(8192))
        first.log.wait_until(lambda: machine.tree(first.state_dir) != before,
                             "the import did not start")
        first.kill9()
        os.close(writer)
        upload.communicate(timeout=60)
        second = self.restart(first)
        # What was half done is removed behind the start, which nobody waits for.
        second.log.wait_until(lambda: machine.tree(second.state_dir) == before,
                              "the half image is still there")


if __name__ == "__main__":
    unittest.main()
