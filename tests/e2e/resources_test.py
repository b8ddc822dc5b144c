"""What a handler can use up, row by row of the table of what must be true (R1 to R8): it suffers,
and nobody else."""

import os
import unittest

import images
import machine
from faasd_process import Reply, at_this_pace, connect, curl, read_to_end
from receipts_test import MIB, REQUEST, RecordsTestCase, ask


class AHandler(RecordsTestCase):
    def start_with_sibling(self, *flags):
        faasd = self.start(*flags)
        self.sibling = faasd.deploy("sibling")
        return faasd

    def assert_sibling_answers(self):
        self.assertEqual(curl(self.sibling).status, 200)

    @staticmethod
    def hoard(address):
        """(how many there are, and how that ended) of a handler that piles up things."""
        words = Reply(ask(address)).body.decode().split()  # "N KIND, then ERROR"
        return (int(words[0]), words[-1]) if words else (0, None)

    def test_R1_that_forks_on_and_on_is_stopped_at_its_limit_and_a_sibling_answers_meanwhile(self):
        faasd = self.start_with_sibling()
        bomb = faasd.deploy("bomb", images.misbehave("fork-bomb"), "--pids", "32")
        endless = faasd.deploy("endless", images.misbehave("keep", "forking"), "--timeout", "2s")
        before = faasd.idle_footprint()
        with connect(bomb) as sock:
            sock.sendall(REQUEST)
            self.assert_sibling_answers()
            reply = Reply(read_to_end(sock))
        count, _, end = reply.body.decode().partition(" processes, then ")
        self.assertEqual(end.strip(), "EAGAIN", reply)
        self.assertLess(int(count), 64)  # those that were just refused are counted for a moment
        faasd.wait_for_footprint(before)
        with connect(endless) as sock:
            sock.sendall(REQUEST)
            self.assert_sibling_answers()
            self.assertEqual(Reply(read_to_end(sock)).status, 504)
        faasd.wait_for_footprint(before)

    def test_R2_that_takes_memory_without_end_dies_alone_and_its_receipt_says_oom(self):
        faasd = self.start_with_sibling()
        for words in (("alloc", "256"), ("fill-tmp", "256")):  # a file of tmpfs is memory too
            with self.subTest(behaviour=words):
                address = faasd.deploy(words[0], images.misbehave(*words), "--memory", "32M",
                                       "--tmpfs", "512M")
                before = faasd.idle_footprint()
                self.assertNotIn(b"allocated", ask(address))
                receipt = self.wait_for_receipts(faasd, words[0])[0]
                self.assertEqual((receipt["outcome"], receipt["signal"]), ("oom", 9))
                self.assertIn("out of memory", receipt["reason"])
                self.assertGreater(receipt["memory_peak_bytes"], 24 * MIB)
                self.assertLessEqual(receipt["memory_peak_bytes"], 32 * MIB)
                self.assert_sibling_answers()
                faasd.wait_for_footprint(before)

    def test_R2_whose_children_take_it_does_not_get_more_by_and_by(self):
        faasd = self.start_with_sibling()
        receipt = self.receipt_of(faasd, ("keep", "allocating"), "--memory", "32M", "--timeout",
                                  f"{at_this_pace(2000)}ms")
        self.assertEqual(receipt["outcome"], "timeout")
        self.assertIn("out of memory", receipt["reason"])
        self.assertLessEqual(receipt["memory_peak_bytes"], 32 * MIB)
        self.assert_sibling_answers()

    def test_R3_that_computes_for_ever_gets_its_quota_with_all_its_processes(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("spin", images.misbehave("spin", "4"), "--cpus", "0.25",
                               "--timeout", "3s")
        with connect(address) as sock:
            sock.sendall(REQUEST)
            # The kernel has held it back at least once; how long it takes there is its own affair.
            faasd.log.wait_until(lambda: self.throttled(faasd), "it is never held back")
            self.assert_sibling_answers()
            self.assertEqual(Reply(read_to_end(sock)).status, 504)
        receipt = self.wait_for_receipts(faasd, "spin")[0]
        self.assertEqual(receipt["outcome"], "timeout")
        # A quarter, what its start took, and the last period that it had begun: half is far away.
        self.assertLess(receipt["cpu_ms"], (receipt["launch_ms"] + receipt["run_ms"]) / 2)

    @staticmethod
    def throttled(faasd):
        counts = []
        for directory in faasd.cgroups():
            try:
                with open(os.path.join(directory, "cpu.stat"), encoding="ascii") as file:
                    counts += [int(line.split()[1]) for line in file
                               if line.startswith("nr_throttled ")]
            except OSError:
                continue  # no such controller there, or gone by now
        return sum(counts)

    def test_R4_that_fills_tmp_hears_enospc(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("filler", images.misbehave("fill-tmp", "64"), "--tmpfs", "4M")
        self.assertEqual(curl(address).body, b"fill: ENOSPC\n")
        endless = faasd.deploy("endless", images.misbehave("keep", "filling"), "--timeout", "2s")
        with connect(endless) as sock:
            sock.sendall(REQUEST)
            self.assert_sibling_answers()
            self.assertEqual(Reply(read_to_end(sock)).status, 504)

    def test_R2_that_fills_connections_with_itself_fills_no_more_than_it_may(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("hoard", images.misbehave("hoard", "connections"),
                               "--memory", "32M", "--timeout", "4s")
        with machine.watched(machine.tcp_buffer_bytes) as seen:
            curl(address)  # which is never answered
            self.assert_sibling_answers()
        self.assertLess(max(seen) - seen[0], 48 << 20)

    def test_R4_that_makes_files_without_end_hears_enospc(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("hoard", images.misbehave("hoard", "files"), "--tmpfs", "4M")
        count, end = self.hoard(address)
        self.assertEqual(end, "ENOSPC")
        self.assertLess(count, 4096)  # as many as it has pages, and some
        self.assert_sibling_answers()

    # What the kernel keeps for a process, how many a container may have of it, and how it hears.
    HOARDS = (("descriptors", 1024, "EMFILE"), ("pipes", 512, "EMFILE"), ("sockets", 512, "EMFILE"),
              ("signals", 65, "EAGAIN"), ("timers", 65, "EAGAIN"), ("queues", 0, "ENOSYS"),
              ("terminals", 8, "ENOSPC"), ("segments", 4096, "ENOSPC"))

    def test_R4_that_piles_up_what_the_kernel_keeps_leaves_as_much_to_others(self):
        faasd = self.start_with_sibling()
        for kind, most, error in self.HOARDS:
            with self.subTest(kind=kind):
                image = images.misbehave("hoard", kind)
                addresses = [faasd.deploy(name, image) for name in ("hoard", "another")]
                before = faasd.idle_footprint()
                with connect(addresses[0]) as sock:  # which keeps them, up to the end of this
                    sock.sendall(REQUEST)
                    words = Reply(read_to_end(sock)).body.decode().split()
                    self.assertEqual((int(words[0]), words[-1]), self.hoard(addresses[1]))
                    self.assert_sibling_answers()
                self.assertLessEqual(int(words[0]), most)
                self.assertEqual(words[-1], error)
                faasd.wait_for_footprint(before)

    def test_R6_that_floods_its_output_is_cut_and_marked_and_the_daemon_stays_as_it_was(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("flood", images.misbehave("flood-stdout", "64"), "--timeout", "60s")
        self.assertEqual(curl(address).status, 200)
        self.wait_for_receipts(faasd, "flood")
        first = machine.resident_bytes(faasd.process.pid)
        for _ in range(3):
            self.assertEqual(curl(address).status, 200)
            self.assert_sibling_answers()
        self.wait_for_receipts(faasd, "flood", 4)
        self.assertLess(machine.resident_bytes(faasd.process.pid) - first, 16 * MIB)
        cut = [line for line in self.records(faasd, "flood", "logs") if "dropped_bytes" in line]
        self.assertGreater(cut[-1]["dropped_bytes"], 63 * MIB)
        directory = os.path.join(faasd.state_dir, "journal", "flood")
        sizes = [os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory)]
        self.assertLessEqual(max(sizes), 256 << 10)
        self.assertLess(sum(len(line) for line in faasd.log.raw), 8 * MIB)

    def test_R7_that_leaves_a_daemon_behind_does_not_keep_it(self):
        faasd = self.start_with_sibling()
        # It has forked twice, has a session of its own, and ignores SIGTERM and SIGHUP.
        address = faasd.deploy("lingering", images.misbehave("fork-and-linger"))
        before = faasd.idle_footprint()
        self.assertEqual(curl(address).status, 200)
        faasd.wait_for_footprint(before)
        self.assertEqual(self.wait_for_receipts(faasd, "lingering")[0]["outcome"], "ok")

    def test_R8_that_runs_past_its_time_gets_its_client_a_504_and_is_gone(self):
        faasd = self.start_with_sibling()
        address = faasd.deploy("slow", images.misbehave("never-exit"), "--timeout", "500ms")
        before = faasd.idle_footprint()
        reply = curl(address)
        self.assertEqual((reply.status, reply.json()["code"]), (504, "timeout"))
        self.assertEqual(reply.headers["connection"], "close")
        receipt = faasd.log.wait_for("receipt", outcome="timeout")
        self.assertEqual(receipt["instance"], reply.headers["x-faas-instance"])
        faasd.wait_for_footprint(before)


if __name__ == "__main__":
    unittest.main()
