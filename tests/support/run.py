"""Runs the tiers of tests, counts them together, and checks that nothing is left on the machine.

    run.py [TIER…]      all of them, in this order, if none is named

    format   clang-format would change nothing
    tidy     tests/tidy and its self-test
    build    the release build, without a warning
    units    the unit tests, as released
    cli      the command line against a recording server
    e2e      the real daemon with real runc and a real Docker engine
    native   what a container is and how it lives, once more with the native launcher
    vm       the service and the real daemon on a booted Debian with systemd and cgroup v2 alone
    bench    a short run of the benchmark: no request fails, nothing is left
    asan     the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
    tsan     the unit tests under ThreadSanitizer
    fuzz     each fuzz target for a short while, and all that it ever found
    lint     clang-tidy

test.sh calls this after it has installed the packages.
"""

import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import clang_tidy
import docker_engine
import machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = os.cpu_count() or 1
SOURCE_DIRS = ("oci", "faasd", "faas-cli", "handlers", "tests")
SOURCE_ENDINGS = (".cpp", ".h", ".c")
TIMEOUT_S = 1800  # of one command; the slowest, a sanitizer build from nothing, takes a sixth of it
SHOWN_CHARACTERS = 20_000  # of the output of a command that failed
FUZZ_S = 20  # of one target; what a change breaks shows itself early, long runs are made by hand
VM_TIMEOUT_S = 3000  # tests/vm/run bounds the machine itself; the first run also makes its disk
NATIVE = ("branched", "escape", "lifecycle", "limits", "network", "posture", "receipts", "request",
          "resources", "sockets", "users", "warm")
CANNOT_RUN = 77  # tests/fuzz/run, tests/vm/run: something is not there that they need
# A case without what it needs says MESSAGE("skipped: reason"), below its name.
DOCTEST_SKIP = re.compile(r"^TEST CASE:\s+(.*)\n\n.*?MESSAGE: .*?(?:skipped|SKIP): (.*)$",
                          re.MULTILINE)
TOTALS = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")  # the last line of a run
DOCTEST_TOTALS = re.compile(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")


class Totals:
    """What was counted, over all tiers."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.only = []

    def check(self, name, problem=None):
        """Counts one test: passed without a problem, else failed, and the problem is shown."""
        if problem is None:
            self.passed += 1
            print(f"ok   {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {name}\n{_shortened(problem)}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIP {name}: {reason}", flush=True)

    def add(self, counts):
        """(passed, failed, skipped) of tests that another program has run."""
        passed, failed, skipped = map(int, counts)
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        return failed

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def _shortened(text):
    if len(text) <= SHOWN_CHARACTERS:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"


class Command:
    """A finished command: its status and all that it printed."""

    def __init__(self, arguments, env=None, timeout_s=TIMEOUT_S):
        # A session of its own: what the command started can be ended with it.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT,
                                       env={**os.environ, **(env or {})}, start_new_session=True)
            self.timed_out = False
            try:
                self.status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.timed_out = True
                self.status = self._end(process)
            output.seek(0)
            self.output = output.read().decode(errors="replace")
        if self.timed_out:
            self.output += f"\nended after {timeout_s} s"

    @staticmethod
    def _end(process):
        os.kill(process.pid, signal.SIGABRT)  # Python tests then print where they stand
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def problem(self):
        return None if self.status == 0 else f"{self.output}\nexit status {self.status}"


def sources():
    found = []
    for top in SOURCE_DIRS:
        for directory, _, names in os.walk(os.path.join(ROOT, top)):
            found += [os.path.relpath(os.path.join(directory, name), ROOT) for name in names
                      if name.endswith(SOURCE_ENDINGS)]
    return sorted(found)


def build(preset, *targets):
    """None, or what the build said."""
    configured = Command(["cmake", "--preset", preset])
    if configured.status != 0:
        return configured.problem()
    chosen = ["--target", *targets] if targets else []
    return Command(["cmake", "--build", "--preset", preset, *chosen, "--", f"-j{JOBS}"]).problem()


def format_tier(totals):
    done = Command(["clang-format-14", "--dry-run", "-Werror", *sources()])
    totals.check("every source file is formatted (clang-format -i mends it)", done.problem())


def tidy_tier(totals):
    totals.check("tests/tidy finds what it should", Command(
        ["tests/tidy", "--self-test"]).problem())
    totals.check("the tree follows its own rules", Command(["tests/tidy"]).problem())


def build_tier(totals):
    totals.check("the release build has no warning", build("release"))


def _count_doctest(totals, name, done):
    """Adds the cases of one executable; a case that said so counts as skipped."""
    found = DOCTEST_TOTALS.search(done.output)
    skips = DOCTEST_SKIP.findall(done.output)
    for case, reason in skips:
        print(f"SKIP {case}: {reason}", flush=True)
    totals.skipped += len(skips)
    if found:
        passed, failed = int(found[2]), int(found[3])
        totals.passed += max(passed - len(skips), 0)
        totals.failed += failed
    else:
        failed = 0
    if done.status == 0 and found:
        print(f"ok   {name}: {found[2]} cases", flush=True)
        return
    if not failed:
        totals.failed += 1  # it crashed, or a sanitizer spoke after the last case
    print(f"FAIL {name}: exit status {done.status}\n{_shortened(done.output)}", flush=True)


def _units(totals, preset, env=None, prefix=()):
    problem = build(preset, "unit_tests", *(["all"] if preset == "release" else []))
    if problem:
        totals.check(f"the unit tests build ({preset})", problem)
        return
    for path in sorted(glob.glob(os.path.join(ROOT, "build", preset, "tests", "test_*"))):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            done = Command([*prefix, path], env, timeout_s=300)
            _count_doctest(totals, f"{os.path.basename(path)} ({preset})", done)


def units_tier(totals):
    _units(totals, "release")


def asan_tier(totals):
    _units(totals, "asan", {"ASAN_OPTIONS": "detect_stack_use_after_return=1",
                            "UBSAN_OPTIONS": "print_stacktrace=1"})


def tsan_tier(totals):
    # ThreadSanitizer of g++ 12 knows no address space as random as newer kernels make it.
    _units(totals, "tsan", {"TSAN_OPTIONS": "second_deadlock_stack=1"},
           ["setarch", os.uname().machine, "-R"])


def fuzz_tier(totals):
    targets = sorted(os.path.basename(path)[:-len(".cpp")]
                     for path in glob.glob(os.path.join(ROOT, "tests/fuzz/*_fuzz.cpp")))
    for target in targets:
        done = Command([sys.executable, "tests/fuzz/run", "--seconds", str(FUZZ_S), target])
        if done.status == CANNOT_RUN:
            totals.skip(f"fuzz {target}", done.output.strip())
            continue
        if done.status == 0:
            print(done.output.strip(), flush=True)
        totals.check(f"{target} finds nothing", done.problem())


def unittests(totals, paths, timeout_s, at_once=1, env=None):
    """Files of Python tests, so many of them beside each other, with `env` on top of ours."""
    chosen = [path for path in (os.path.relpath(path, ROOT) for path in sorted(paths))
              if not totals.only or any(word in path for word in totals.only)]

    def run_file(path):
        started = time.monotonic()
        done = Command([sys.executable, "tests/support/run_unittests.py", path],
                       timeout_s=timeout_s, env=env)
        return path, done, time.monotonic() - started
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for path, done, taken in pool.map(run_file, chosen):
            _count_unittests(totals, path, done, taken)


def _count_unittests(totals, path, done, taken):
    result = re.search(r"^RESULT (\d+) (\d+) (\d+)$", done.output, re.MULTILINE)
    failed = totals.add(result.groups()) if result else 0
    if not result or (done.status != 0 and failed == 0):
        totals.failed += 1
    shown = done.output if done.status else "\n".join(
        line for line in done.output.splitlines() if line.startswith("SKIP "))
    word = "ok  " if done.status == 0 else "FAIL"
    if shown:
        print(_shortened(shown), flush=True)
    print(f"{word} {path} ({taken:.0f} s)", flush=True)


def cli_tier(totals):
    _needs_build(totals)
    unittests(totals, glob.glob(os.path.join(ROOT, "tests/faas-cli/*_test.py")), 300)


def e2e_tier(totals):
    _needs_build(totals)
    unittests(totals, glob.glob(os.path.join(ROOT, "tests/e2e/*_test.py")), 1500)


def native_paths():
    """The e2e tests of which an outcome could depend on who makes containers."""
    return [os.path.join(ROOT, f"tests/e2e/{name}_test.py") for name in NATIVE]


def native_tier(totals):
    _needs_build(totals)
    unittests(totals, native_paths(), 1500, env={"FAASD_LAUNCHER": "native"})


def vm_tier(totals):
    _needs_build(totals)
    done = Command([sys.executable, "tests/vm/run", *totals.only], timeout_s=VM_TIMEOUT_S)
    if done.status == CANNOT_RUN:
        totals.skip("the tests on a machine with systemd and cgroup v2", done.output.strip())
        return
    found = TOTALS.findall(done.output)
    failed = totals.add(found[-1]) if found else 0
    print(_shortened(done.output), flush=True)
    if not found or (done.status != 0 and failed == 0):
        totals.check("the virtual machine comes to the end of its tests", "see above")


def bench_tier(totals):
    _needs_build(totals)
    unittests(totals, glob.glob(os.path.join(ROOT, "tests/bench/*_test.py")), 60)
    done = Command([sys.executable, "tests/bench/run", "--quick"], timeout_s=600)
    print(done.output, flush=True)
    totals.check("the benchmark runs, no request fails, nothing is left", done.problem())


def _needs_build(totals):
    problem = build("release")
    if problem:
        totals.check("the release build", problem)


def lint_tier(totals):
    build_dir = os.path.join(ROOT, "build", "release")
    problem = build("release")  # generated headers, and the compile database
    if problem:
        totals.check("the release build", problem)
        return
    looked_at, known, findings = clang_tidy.run(
        ROOT, build_dir, os.path.join(docker_engine.cache_directory(), "clang-tidy"), JOBS)
    print(f"clang-tidy: {looked_at} files looked at, {known} known to be clean", flush=True)
    totals.check("clang-tidy has no finding",
                 "\n".join(text for _, text in findings) if findings else None)


TIERS = {
    "format": format_tier, "tidy": tidy_tier, "build": build_tier, "units": units_tier,
    "cli": cli_tier, "e2e": e2e_tier, "native": native_tier, "vm": vm_tier, "bench": bench_tier,
    "asan": asan_tier, "tsan": tsan_tier, "fuzz": fuzz_tier, "lint": lint_tier,
}
# run.py e2e deploy: only the files whose path has one of the words.
TAKE_WORDS = {"cli", "e2e", "native", "vm"}


class MachineSnapshot:
    """What a run of tests must not add to."""

    def __init__(self):
        self.cgroups = {path for path in machine.cgroup_directories() if "faas" in path}
        self.addresses = {a for a in machine.ipv4_addresses() if a[1].startswith("lo:faas")}
        self.directories = {path for path in ("/run/faasd", "/var/lib/faasd")
                            if os.path.exists(path)}

    def difference(self, earlier, temp_dir):
        """Sentences about what is there now and was not, or is in the way of removing temp_dir."""
        found = [f"process {pid}: {machine.command_of(pid)}"
                 for pid in machine.descendants(os.getpid())]
        found += [f"mount: {path}" for path in machine.mount_points()
                  if path.startswith(temp_dir + "/")]
        found += [f"cgroup: {path}" for path in sorted(self.cgroups - earlier.cgroups)]
        found += [f"address: {a} {b}" for a, b in sorted(self.addresses - earlier.addresses)]
        found += [f"directory: {path}" for path in sorted(self.directories - earlier.directories)]
        found += [f"in the temporary directory: {name}" for name in machine.tree(temp_dir)[:20]]
        return found


def _clean_up(temp_dir):
    """A failed run removes what it can of its own, so that the next one starts clean."""
    for pid in machine.descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    _reap()
    for path in reversed(machine.mount_points()):
        if path.startswith(temp_dir + "/"):
            subprocess.run(["umount", "-l", path], check=False)
    if not any(path.startswith(temp_dir + "/") for path in machine.mount_points()):
        shutil.rmtree(temp_dir, ignore_errors=True)


def _reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _run_tiers(tiers, totals):
    times = []
    for name, tier in tiers.items():
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        tier(totals)
        times.append(f"{name} {time.monotonic() - started:.0f} s")
        _reap()
    print(f"\ntime: {', '.join(times)}", flush=True)


def main(names):
    tiers = [name for name in names if name in TIERS]
    only = [name for name in names if name not in TIERS]
    if only and not set(tiers) & TAKE_WORDS:
        print(f"no such tier: {' '.join(only)}; there are {' '.join(TIERS)}", file=sys.stderr)
        return 2
    chosen = tiers or list(TIERS)
    return run({name: TIERS[name] for name in chosen}, only)


def run(tiers, only):
    """Runs {name: tier}; of what takes words, only the files whose path has one of `only`."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    machine.become_subreaper()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A shell's background job ignores it, and so would everything that is started from here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = MachineSnapshot()
    temp_dir = tempfile.mkdtemp(prefix="faasd-test-")
    os.chmod(temp_dir, 0o755)  # some tests let another user in, up to what they test
    os.environ["TMPDIR"] = temp_dir
    totals = Totals()
    totals.only = only
    try:
        _run_tiers(tiers, totals)
        left = MachineSnapshot().difference(before, temp_dir)
        print("\n== machine", flush=True)
        totals.check("the tests leave nothing on the machine", "\n".join(left) or None)
    except KeyboardInterrupt:
        totals.check("the run was not interrupted", "interrupted")
    finally:
        _clean_up(temp_dir)
    print(totals.line(), flush=True)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
