"""A daemon with languages, and its script API as clients call it."""

import json
import os
import tempfile
import unittest

import docker_engine
import faasd_process
from faasd_process import Faasd, FaasdTestCase, UnixConnection

HANDLERS = os.path.join(faasd_process.ROOT, "handlers")
# What the image of a language is built FROM, if that is one of ours.
BASES = {"typescript": [docker_engine.Base("faas/javascript", HANDLERS, "javascript/Dockerfile")]}


class Events:
    """A stream of events, read one by one."""

    def __init__(self, connection):
        self._connection = connection
        self.reply = connection.getresponse()
        self.ids = []

    def __iter__(self):
        return self

    def __next__(self):
        event = None
        while line := self.reply.readline().decode().rstrip("\n"):
            if line.startswith("id: "):
                self.ids.append(line[4:])
            if line.startswith("data: "):
                event = json.loads(line[6:])
            if line.startswith(":"):
                event = "heartbeat"
        if event is None:
            self.leave()
            raise StopIteration
        return event

    def leave(self):
        self._connection.close()
        self.reply.close()


def shown(event):
    """What a go-faas client looks at."""
    return {key: event[key] for key in ("event", "data", "type")}


class ScriptTestCase(FaasdTestCase):
    """One daemon with the languages, for all tests of a class but those that do something to it."""

    languages = ()
    archives: dict = {}

    @classmethod
    def setUpClass(cls):
        cls.make_archives()
        cls.shared = Faasd()
        cls.addClassCleanup(cls.end_shared)
        for language in cls.languages:
            cls.install(cls.shared, language)

    @classmethod
    def end_shared(cls):
        status, left = cls.shared.stop(), cls.shared.leftovers()
        log = cls.shared.log.tail()
        cls.shared.destroy()
        if status != 0 or left:
            raise AssertionError(f"the daemon ended with {status} and left {left}\n{log}")

    @classmethod
    def make_archives(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="h-"))
        engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
        cls.addClassCleanup(engine.stop)
        try:
            cls.archives = {language: str(engine.image_tar(
                HANDLERS, f"{language}/Dockerfile", BASES.get(language, ())))
                for language in cls.languages}
        except docker_engine.Unavailable as reason:
            raise unittest.SkipTest(f"no Docker engine can run here: {reason}") from None
        engine.stop()

    def start_with_languages(self, *options, flags=(), own=False, **start_options):
        """`options` are of the languages. With any of these it is a daemon of the test's own."""
        faasd = self.shared
        if options or flags or own or start_options:
            faasd = self.start(*flags, **start_options)
            for language in self.languages:
                self.install(faasd, language, *options)
        self.receipts_before = {language: len(self.all_receipts(faasd, language))
                                for language in self.languages}
        return faasd

    @classmethod
    def install(cls, faasd, language, *options):
        with open(os.path.join(HANDLERS, language, "language.json"), encoding="utf-8") as file:
            described = file.read()
        return faasd.faas("new", language, "-f", cls.archives[language], "--language", described,
                          *options, check=True).stdout

    def post(self, faasd, path, request, **options):
        return faasd.api("POST", path, json.dumps(request),
                         {"Content-Type": "application/json"}, **options)

    def run_now(self, faasd, language, code, status=200, **members):
        got, headers, data = self.post(faasd, "/run-now",
                                       {"language": language, "code": code, **members})
        self.assertEqual(got, status, data)
        self.headers = headers
        return data

    def stream(self, faasd, path, request, headers=None):
        connection = UnixConnection(faasd.socket)
        connection.request("POST", path, json.dumps({**request, "stream": True}), headers or {})
        events = Events(connection)
        self.addCleanup(events.leave)
        return events

    @staticmethod
    def all_receipts(faasd, language):
        return faasd.api("GET", f"/v1/functions/{language}/receipts?tail=1000")[2]

    def receipts(self, faasd, language, count):
        """Those of this test, once there are that many."""
        def enough():
            found = self.all_receipts(faasd, language)[self.receipts_before[language]:]
            return found if len(found) >= count else None
        return faasd.log.wait_until(enough, f"there are no {count} receipts")
