"""Handlers in five languages, each from a real `docker build` and a real `docker save`."""

import json
import os
import tempfile
import unittest

import docker_engine
import faasd_process
from faasd_process import FaasdTestCase, connect, curl, read_to_end

HANDLERS = os.path.join(faasd_process.ROOT, "handlers")


class DockerTestCase(FaasdTestCase):
    """One engine for a class; it starts only for what its cache does not have."""

    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="e-"))
        cls.engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
        cls.addClassCleanup(cls.engine.stop)

    def image_tar(self, dockerfile, context=HANDLERS, bases=()):
        try:
            return str(self.engine.image_tar(context, dockerfile, bases))
        except docker_engine.Unavailable as reason:
            self.skipTest(f"no Docker engine can run here: {reason}")


class AHandler(DockerTestCase):
    def check(self, directory, archive=None):
        archive = archive or self.image_tar(f"{directory}/Dockerfile")
        faasd = self.start()
        with open(archive, "rb") as stream:
            done = faasd.faas("new", directory, input=stream)
        self.assertEqual(done.returncode, 0, done.stderr)
        address = faasd.ip(directory)
        before = faasd.idle_footprint()
        reply = curl(address, "/some/path?query=1")
        self.assertEqual(reply.status, 200, f"{reply}\n{faasd.log.tail()}")
        self.assertIn(b"Hello", reply.body)
        self.assertIn(b"/some/path?query=1", reply.body)
        other = curl(address)
        self.assertNotEqual(reply.body.split(b"\n")[0], other.body.split(b"\n")[0],
                            "two requests, two containers, two host names")
        with connect(address) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n"
                         b"Connection: close\r\n\r\n" + b"x" * 100_000)
            self.assertIn(b"100000", read_to_end(sock))
        faasd.wait_for_footprint(before)

    def check_example(self, language):
        base = docker_engine.Base(f"faas/{language}", HANDLERS, f"{language}/Dockerfile")
        context = os.path.join(HANDLERS, language, "example")
        self.check(language, self.image_tar("Dockerfile", context, [base]))

    def test_in_python_answers(self):
        self.check_example("python")

    def test_in_javascript_on_node_answers(self):
        self.check_example("javascript")

    def test_in_go_answers(self):
        self.check("go")

    def test_in_c_answers(self):
        archive = self.image_tar("hello/Dockerfile")
        faasd = self.start()
        address = faasd.deploy("hello", archive)
        self.assertEqual(curl(address).status, 200)

    def test_in_shell_with_our_receiver_answers(self):
        self.check("shell")


class ARealImage(DockerTestCase):
    def test_of_several_layers_with_whiteouts_is_what_docker_run_would_show(self):
        # Each RUN is a layer: one that adds, one that removes and replaces, one that links.
        with tempfile.TemporaryDirectory(prefix="c-") as context:
            with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
                file.write("FROM debian:bookworm-slim\n"
                           "RUN mkdir -p /app/old && echo one > /app/old/a && echo two > /app/b\n"
                           "RUN rm -r /app/old && echo three > /app/b && mkdir /app/old\n"
                           "RUN ln -s b /app/link && ln /app/b /app/hard && chown 12:34 /app/b\n"
                           "COPY misbehave /misbehave\n"
                           "ENV COLOUR=green\nWORKDIR /app\nUSER nobody\n"
                           "ENTRYPOINT [\"/misbehave\"]\nCMD [\"report\"]\n")
            with open(faasd_process.binary("misbehave"), "rb") as program:
                path = os.path.join(context, "misbehave")
                with open(path, "wb") as copy:
                    copy.write(program.read())
                os.chmod(path, 0o755)
            try:
                archive = str(self.engine.image_tar(context))
            except docker_engine.Unavailable as reason:
                self.skipTest(f"no Docker engine can run here: {reason}")
        faasd = self.start()
        address = faasd.deploy("app", archive)
        report = curl(address).json()
        self.assertEqual((report["cwd"], report["uid"]), ("/app", 65534))
        self.assertIn("COLOUR=green", report["env"])
        rootfs = faasd.rootfs("app")
        app = os.path.join(rootfs, "app")
        self.assertEqual(sorted(os.listdir(app)), ["b", "hard", "link", "old"])
        self.assertEqual(os.listdir(os.path.join(app, "old")), [])
        self.assertEqual(os.readlink(os.path.join(app, "link")), "b")
        with open(os.path.join(app, "hard"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "three\n")
        owner = os.stat(os.path.join(app, "b"))
        self.assertEqual((owner.st_uid, owner.st_gid), (12, 34))
        self.assertIn("sha256:", json.dumps(faasd.describe("app")))


if __name__ == "__main__":
    unittest.main()
