"""Language runtimes as handlers: each does what programs in it usually ask of the kernel (threads,
processes, sockets, timers, files, memory, signals), and all of it works under the allow-list."""

import os
import shutil
import tempfile
import unittest

import docker_engine
import faasd_process
import images
from faasd_process import FaasdTestCase, Reply, connect, curl, read_to_end

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "languages")
TIMEOUT_S = 120  # of the JVM on a busy machine
CHECKS = {
    "python": {"threads", "processes", "sockets", "event_loop", "no_name_service", "files",
               "memory", "signals", "terminal"},
    "node": {"threads", "processes", "sockets", "http", "timers", "no_name_service", "files",
             "memory", "web_assembly", "watching_is_refused"},
    "go": {"threads", "processes", "sockets", "http", "timers", "no_name_service", "files",
           "memory", "signals"},
    "java": {"threads", "processes", "sockets", "timers", "no_name_service", "files", "memory",
             "random", "interfaces_are_refused"},
    "busybox": {"processes", "pipes", "signals", "files", "words", "no_name_service"},
}


class ALanguage(FaasdTestCase):
    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="l-"))
        context = os.path.join(directory, "context")
        shutil.copytree(PROGRAMS, context)
        shutil.copy2(faasd_process.binary("faas-receive"), context)
        engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
        cls.addClassCleanup(engine.stop)
        try:
            cls.archive = str(engine.image_tar(context))
        except docker_engine.Unavailable as reason:
            raise unittest.SkipTest(f"no Docker engine can run here: {reason}") from None
        engine.stop()

    def results(self, faasd, language):
        address = faasd.deploy(language, self.archive, "-e", f"LANGUAGE={language}", "--memory",
                               "1G", "--pids", "256", "--timeout", f"{TIMEOUT_S}s")
        with connect(address, timeout_s=TIMEOUT_S) as sock:
            # No request: what a program leaves unread would reset the connection.
            reply = Reply(read_to_end(sock))
        self.assertEqual(reply.status, 200, f"{reply}\n{faasd.log.tail()}")
        return dict(line.split(" ", 1) for line in reply.body.decode().splitlines())

    def test_runtime_does_what_programs_in_it_usually_do(self):
        faasd = self.start()  # one for all: the image is large, and unpacked once
        for language, checks in CHECKS.items():
            with self.subTest(language=language):
                self.assertEqual(self.results(faasd, language), {name: "ok" for name in checks},
                                 faasd.log.tail())


class AStaticProgram(FaasdTestCase):
    def test_in_c_runs_with_threads_and_processes(self):
        faasd = self.start()
        seen = curl(faasd.deploy("probe", images.probe())).json()
        self.assertEqual(len(seen["threads"]), 3)
        self.assertEqual((seen["namespace_calls"]["clone"], seen["sockets"]["unix"]), ("ok", "ok"))


if __name__ == "__main__":
    unittest.main()
