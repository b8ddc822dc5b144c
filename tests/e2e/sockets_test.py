"""What a container can do with the socket that it is given (nothing but to use it), and with
sockets of its own (all that is usual). N4, from the other side."""

import contextlib
import json
import socket
import struct
import unittest

import images
from escape_test import EscapeTestCase
from faasd_process import PATIENCE_S, connect, curl

FASTOPEN = ("sendto, fast open", "sendmsg, fast open")


class ASocket(EscapeTestCase):
    def setUp(self):
        super().setUp()
        self.service = self.service(socket.AF_INET, ("127.0.0.1", 0))
        self.faasd = self.start()

    def thief(self, *words, **config):
        port = str(self.service.address[1])
        return self.faasd.deploy("thief", images.socket_thief(port, *words, **config),
                                 "--timeout", f"{PATIENCE_S}s")

    def receipt(self):
        self.faasd.log.wait_for("receipt", function="thief")
        return self.faasd.log.find("receipt", function="thief")[-1]

    def test_that_is_given_is_good_for_its_connection_only(self):
        seen = curl(self.thief()).json()
        for call in ("disconnect", "connect", "bind", "listen", *FASTOPEN):
            self.assertEqual(seen[call], "EPERM", call)
        self.assertEqual(seen["connect, too long an address"], "EINVAL")
        self.assertEqual(seen["connect, no address"], "EFAULT")
        # Two threads that swap descriptors gain nothing: what is checked is what is connected.
        self.assertEqual(seen["swaps"], "none connected")
        self.assertEqual(self.service.hits, 0)
        self.assertGreaterEqual(self.receipt()["escapes"], 6)
        told = self.faasd.log.find("escape_attempt", instance=self.receipt()["instance"])
        self.assertEqual([each["call"] for each in told][:6],
                         ["connect", "connect", "bind", "listen", *2 * ["send"]])
        self.assertEqual(len(told), 8)  # the others are only counted

    def test_that_is_given_is_good_for_nothing_once_its_connection_is_over(self):
        address = self.thief("after-reset")
        with connect(address) as client:
            self.faasd.log.wait_until(lambda: self.faasd.describe("thief")["live"] == 1, "not live")
            self.faasd.log.wait_until(self.holds_connection, "the handler has no connection")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        receipt = self.receipt()  # reset by that close
        line, = self.faasd.function_log("thief")
        seen = json.loads(line["text"])
        for call in ("disconnect", "connect", "bind", "listen", *FASTOPEN):
            self.assertEqual(seen[call], "EPERM", call)
        self.assertEqual(receipt["escapes"], 6)
        self.assertEqual(self.service.hits, 0)

    def holds_connection(self):
        """Whether a handler waits in poll(2): it has its socket then."""
        waiting = []
        for pid in self.faasd.containers():
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                    waiting.append("poll" in file.read())
        return any(waiting)

    def test_of_its_own_does_all_that_is_usual_for_any_user(self):
        for user in ("0", "1000:1001", "70000:70000"):
            with self.subTest(user=user):
                seen = curl(self.thief(User=user)).json()
                for kind in ("tcp", "tcp, not blocking", "udp", "unix", "unix, relative",
                             "unix, abstract", "unix datagrams", "unix, under signals"):
                    self.assertEqual(seen[kind], "ok", kind)
                self.assertEqual(seen["unix, read-only root"], "EROFS")
                self.assertEqual(seen["nobody there"], "ENOENT")
                self.assertEqual(seen["no descriptor"], "EBADF")
                self.assertEqual(seen["no socket"], "ENOTSOCK")

    def test_cannot_be_made_to_hold_up_whoever_answers(self):
        """A container that makes the daemon wait is not waited for a second time."""
        seen = curl(self.thief("stall")).json()
        self.assertIn(seen["stalled"], ("EAGAIN", "EPERM", "EINTR"))
        self.assertEqual(curl(self.faasd.deploy("hello")).status, 200)

    def test_that_waits_is_one_of_few(self):
        self.assertEqual(curl(self.thief("crowd")).json()["turned away"], "ENOBUFS")


if __name__ == "__main__":
    unittest.main()
