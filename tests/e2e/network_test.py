"""Addresses: subnets of any kind, a pool that is full, addresses and ports that others have."""

import json
import os
import socket
import subprocess
import sys
import unittest

import faasd_process
import machine
from faasd_process import HELLO_TAR, FaasdTestCase, curl

# curl from within another network namespace: the address to ask stands in the arguments.
CURL_INSIDE = """
import sys
sys.path.insert(0, sys.argv[1])
import faasd_process
print(faasd_process.curl(sys.argv[2]).status)
"""

# Adds an address to lo without the `ip` command, as another program on this host would.
ADD_ADDRESS = """
import socket, struct, sys
address = socket.inet_aton(sys.argv[1])
body = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, 1)
for kind in (2, 1):
    body += struct.pack("=HH", 8, kind) + address
flags = 1 | 4 | (0x600 if sys.argv[2] == "add" else 0)
kind = 20 if sys.argv[2] == "add" else 21
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    sys.exit(-struct.unpack_from("=i", sock.recv(4096), 16)[0])
"""


def change_address(address, verb):
    subprocess.run([sys.executable, "-c", ADD_ADDRESS, address, verb], check=True, timeout=60)


def inside(faasd, *arguments):
    """Runs a program in the network namespace of a daemon."""
    done = subprocess.run(["nsenter", "-t", str(faasd.process.pid), "-n", *arguments],
                          capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


class ASubnetOutside127(FaasdTestCase):
    def test_works_in_a_network_namespace_of_its_own(self):
        faasd = self.start("--subnet", "10.62.0.0/24", prefix=("unshare", "-n"))
        address = faasd.deploy("hello")
        self.assertEqual(address, "10.62.0.10")
        support = os.path.dirname(os.path.abspath(faasd_process.__file__))
        self.assertEqual(
            inside(faasd, sys.executable, "-c", CURL_INSIDE, support, address).strip(), "200")
        self.assertNotIn(address, {a for a, _ in machine.ipv4_addresses()})


class ABadSubnet(FaasdTestCase):
    def test_is_refused_at_the_start_and_named(self):
        for text in ("127.77.0.0", "127.77.0.0/33", "127.77.0.0/31", "nonsense", "::1/64",
                     "127.77.0.1/16x"):
            with self.subTest(subnet=text):
                faasd = self.start("--subnet", text, wait=False)
                faasd.expected_status = faasd.wait_exit()
                self.assertNotEqual(faasd.expected_status, 0)
                self.assertIn(text, faasd.log.tail())


class AnAddress(FaasdTestCase):
    def test_is_on_lo_with_our_label_and_leaves_with_its_function(self):
        faasd = self.start()
        address = faasd.deploy("hello")
        self.assertIn((address, "lo:faas"), machine.ipv4_addresses())
        faasd.faas("rm", "hello", check=True)
        self.assertNotIn((address, "lo:faas"), machine.ipv4_addresses())

    def test_that_somebody_else_has_is_refused_or_passed_over_and_stays_theirs(self):
        faasd = self.start()
        theirs = faasd.subnet.prefix + "10"
        change_address(theirs, "add")
        try:
            done = faasd.faas("new", "hello", "-f", HELLO_TAR)
            if done.returncode == 0:
                self.assertNotEqual(faasd.ip("hello"), theirs)
                faasd.faas("rm", "hello", check=True)
            else:
                self.assertIn(theirs, done.stderr)
                self.assertEqual(faasd.api("GET", "/api/list")[2], {})
            self.assertEqual(faasd.stop(), 0)
            self.assertIn(theirs, {a for a, _ in machine.ipv4_addresses()})
        finally:
            change_address(theirs, "remove")

    def test_of_a_full_pool_is_a_clear_error_that_records_nothing(self):
        base = faasd_process.Subnet()
        self.addCleanup(base.release)
        faasd = self.start("--subnet", base.prefix + "0/28", subnet=base)
        for number in range(5):  # .10 to .14: the first nine are kept, .15 is the broadcast
            faasd.deploy(f"f{number}")
        images_before = machine.tree(os.path.join(faasd.state_dir, "functions"))
        done = faasd.faas("new", "one-more", "-f", HELLO_TAR)
        self.assertEqual(done.returncode, 1)
        self.assertIn(base.prefix + "0/28", done.stderr)
        status, _, answer = faasd.api("GET", "/v1/functions/one-more")
        self.assertEqual(status, 404, answer)
        self.assertEqual(machine.tree(os.path.join(faasd.state_dir, "functions")), images_before)
        self.assertEqual(curl(faasd.ip("f4")).status, 200)
        faasd.faas("rm", "f2", check=True)
        self.assertEqual(faasd.deploy("one-more"), base.prefix + "12")


class APortInUse(FaasdTestCase):
    def test_at_a_function_address_is_a_clear_error_that_records_nothing(self):
        faasd = self.start()
        address = faasd.subnet.prefix + "10"
        # 127/8 is local without being on lo, so another program can listen there first.
        with socket.socket() as other:
            # Connections of a subnet that others had lately may wait there for their end.
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((address, 80))
            other.listen()
            done = faasd.faas("new", "hello", "-f", HELLO_TAR)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{address}:80", done.stderr)
            self.assertEqual(faasd.api("GET", "/api/list")[2], {})
            self.assertEqual(machine.tree(os.path.join(faasd.state_dir, "functions")), [])
            self.assertNotIn(address, {a for a, _ in machine.ipv4_addresses()})
        self.assertEqual(faasd.deploy("hello"), address)

    def test_of_the_control_api_ends_the_start_and_is_named(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            place = f"127.0.0.1:{other.getsockname()[1]}"
            faasd = self.start("--listen", place, wait=False)
            faasd.expected_status = faasd.wait_exit()
            self.assertNotEqual(faasd.expected_status, 0)
            self.assertIn(place, faasd.log.tail())

    def test_chosen_with_function_port_is_the_one_that_answers(self):
        faasd = self.start("--function-port", "8123")
        address = faasd.deploy("hello")
        self.assertEqual(curl(address, port=8123).status, 200)
        self.assertIn("8123", json.dumps(faasd.describe("hello")))


if __name__ == "__main__":
    unittest.main()
