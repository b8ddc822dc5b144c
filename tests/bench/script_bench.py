"""Scripts: what one costs against `python3 FILE` on the bare host, how soon its output is there,
what a compiled one costs against the same in JavaScript, and what many uploads do to the next."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import docker_engine
import machine
import script_case
from faasd_process import PATH, Faasd, UnixConnection

CODE = "return 1"
LANGUAGES = ("python", "javascript", "typescript")
STREAM_S = 5.0  # what each of many streams has to do


def ms(seconds):
    return round(seconds * 1000, 2)


class Sizes:
    def __init__(self, quick):
        self.runs = 5 if quick else 100
        self.streams = 30 if quick else 1000
        self.uploads = 200 if quick else 10_000
        self.versions = 50 if quick else 1000


class Daemon(script_case.ScriptTestCase):
    """Not a test: the images and the languages of one."""

    def runTest(self):
        pass

    @classmethod
    def begin(cls):
        with tempfile.TemporaryDirectory(prefix="b-") as directory:
            engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
            try:
                cls.archives = {language: str(engine.image_tar(
                    script_case.HANDLERS, f"{language}/Dockerfile",
                    script_case.BASES.get(language, ()))) for language in LANGUAGES}
            finally:
                engine.stop()
        faasd = Faasd()
        for language in LANGUAGES:
            cls.install(faasd, language, "--concurrency", "1024", "--queue", "1024",
                        "--queue-timeout", "10m")
        return faasd


def call(faasd, path, request):
    status, _, data = faasd.api("POST", path, json.dumps(request))
    if status != 200:
        raise RuntimeError(f"{path}: {status} {data}")
    return data


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def against_the_bare_host(faasd, runs):
    """Taking turns, so that what else the machine does is done to both."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", prefix="b-") as file:
        file.write("print(1)\n")
        file.flush()
        request = {"language": "python", "code": CODE}
        times = {"run": [], "bare": []}
        for _ in range(runs):
            times["bare"].append(timed(lambda: subprocess.run(
                ["/usr/bin/python3", file.name], check=True, capture_output=True,
                env={"PATH": PATH})))
            times["run"].append(timed(lambda: call(faasd, "/run-now", request)))
    bare, run = (statistics.median(times[name]) for name in ("bare", "run"))
    return {"run_now_ms": ms(run), "python3_of_the_host_ms": ms(bare), "more_ms": ms(run - bare)}


def warm(faasd, runs):
    """The same with a parked instance: what is left is the handoff, the script and the answer."""
    figures = {}
    for language in LANGUAGES[:2]:
        Daemon.install(faasd, language, "--concurrency", "1024", "--queue", "1024",
                       "--queue-timeout", "10m", "--warm", "4")
        request = {"language": language, "code": CODE}
        times = []
        for _ in range(runs):
            faasd.log.wait_until(lambda name=language: faasd.describe(name)["parked"] == 4,
                                 "they are not parked")
            times.append(timed(lambda body=request: call(faasd, "/run-now", body)))
        figures[language] = {"run_now_ms": ms(statistics.median(times)),
                             "p99_ms": ms(sorted(times)[int(len(times) * 0.99)])}
    return figures


def first_event(faasd, runs):
    """From the script's write, by its own clock, to the client's having it."""
    code = ("import threading, time\n"
            "for _ in range(20): print(time.time_ns()); threading.Event().wait(0.01)")
    late = []
    for _ in range(max(1, runs // 10)):
        connection = UnixConnection(faasd.socket)
        connection.request("POST", "/run-now", json.dumps(
            {"language": "python", "code": code, "stream": True}))
        for event in script_case.Events(connection):
            if event["event"] == "log":
                late.append((time.time_ns() - int(event["data"])) / 1e6)
    return {"write_to_client_ms": round(statistics.median(late), 3),
            "write_to_client_p99_ms": round(sorted(late)[int(len(late) * 0.99)], 3)}


def compiled(faasd, runs):
    code = "const n = event.n; return n + 1"
    for language in ("javascript", "typescript"):
        call(faasd, "/upload", {"path": language, "language": language, "code": code})
    times = {"javascript": [], "typescript": []}
    for _ in range(runs):
        for language, taken in times.items():
            taken.append(timed(lambda path=language: call(faasd, f"/run/{path}",
                                                          {"input": {"n": 1}})))
    medians = {language: statistics.median(taken) for language, taken in times.items()}
    return {"javascript_ms": ms(medians["javascript"]), "typescript_ms": ms(medians["typescript"]),
            "ratio": round(medians["typescript"] / medians["javascript"], 3)}


def many_streams(faasd, count):
    """All at once; each is silent for a while."""
    request = json.dumps({"language": "python", "stream": True, "code":
                          "import threading\nprint(1)\n"
                          f"threading.Event().wait({STREAM_S})\nreturn 2"})
    ends = []

    def follow():
        connection = UnixConnection(faasd.socket)
        connection.timeout = 600
        try:
            connection.request("POST", "/run-now", request)
            events = [event for event in script_case.Events(connection) if event != "heartbeat"]
            ends.append(events[-1].get("data") if events else "nothing")
        except OSError as error:
            ends.append(str(error))
        finally:
            connection.close()
    threads = [threading.Thread(target=follow) for _ in range(count)]
    taken = timed(lambda: [*[thread.start() for thread in threads],
                           *[thread.join() for thread in threads]])
    refused = [end for end in ends if end != 2]
    for end in refused[:3]:
        print(f"a stream ended with {end!r}", file=sys.stderr)
    return {"streams_at_once": count, "refused": len(refused), "seconds": round(taken, 1)}


def resident_mib(faasd):
    with open(f"/proc/{faasd.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def many_uploads(faasd, uploads, versions):
    def look(path):
        return statistics.median(
            timed(lambda: faasd.api("GET", f"/scripts/{path}")) for _ in range(50))
    upload = {"language": "python", "code": CODE}
    call(faasd, "/upload", {**upload, "path": "first"})
    before, rss = look("first"), resident_mib(faasd)
    for number in range(uploads):
        call(faasd, "/upload", {**upload, "path": f"many/{number}"})
    for _ in range(versions):
        call(faasd, "/upload", {**upload, "path": "deep"})
    return {"scripts": uploads, "versions_of_one": versions, "look_before_ms": ms(before),
            "look_after_ms": ms(look("first")),
            "look_at_versions_ms": ms(look("deep")),
            "rss_before_mib": round(rss, 1), "rss_after_mib": round(resident_mib(faasd), 1)}


def measure(sizes):
    faasd = Daemon.begin()
    try:
        faasd.idle_footprint()
        figures = {"python": against_the_bare_host(faasd, sizes.runs),
                   "events": first_event(faasd, sizes.runs),
                   "typescript": compiled(faasd, sizes.runs),
                   "uploads": many_uploads(faasd, sizes.uploads, sizes.versions),
                   "streams": many_streams(faasd, sizes.streams),
                   "warm": warm(faasd, sizes.runs)}
        faasd.stop()
        figures["left_at_the_end"] = faasd.leftovers()
        return figures
    finally:
        faasd.destroy()


def failed(figures):
    return bool(figures["left_at_the_end"] or figures["streams"]["refused"])


if __name__ == "__main__":
    machine.become_subreaper()
    print(json.dumps(measure(Sizes("--quick" in sys.argv)), indent=2))
