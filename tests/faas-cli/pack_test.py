"""`faas pack` of the real `faas`: what it refuses and how, what it leaves behind, completions. FAAS
names the binary."""

import contextlib
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import FAAS, ROOT, CliTest, environment, faas, start  # noqa: E402
from fake_daemon import FakeDaemon  # noqa: E402


class Packing(CliTest):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        os.mkdir(self.root)
        self.program = os.path.join(self.root, "app")
        with open(self.program, "w", encoding="utf-8") as file:
            file.write("#!/app\n")
        os.chmod(self.program, 0o755)
        self.output = os.path.join(self.directory, "x.tar")

    def pack(self, *arguments, **options):
        return faas("pack", self.root, "-o", self.output, "--entrypoint", "/app", *arguments,
                    **options)

    def refused(self, result, stderr):
        self.check(result, 2, stderr)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(os.listdir(self.directory), ["root"], "something was left behind")

    @staticmethod
    def has_open(process, path):
        directory = f"/proc/{process.pid}/fd"
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if os.readlink(os.path.join(directory, name)) == path:
                    return True
        return False

    def config(self, archive):
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))[0]
            return manifest, json.load(tar.extractfile(manifest["Config"]))

    def read_output(self):
        with open(self.output, "rb") as file:
            return file.read()

    def test_the_options_are_what_the_config_says(self):
        os.mkdir(os.path.join(self.root, "srv"))
        self.check(self.pack("--cmd", '["-x", "a b"]', "-e", "A=1 2", "--env", "B=é",
                             "--workdir", "/srv", "--user", "1000:50", "--label", "k=v=w",
                             "--label", "empty=", "--tag", "app", "--tag", "team/app:2"), 0)
        manifest, config = self.config(self.read_output())
        self.assertEqual(manifest["RepoTags"], ["app:latest", "team/app:2"])
        self.assertEqual(config["config"], {
            "Entrypoint": ["/app"], "Cmd": ["-x", "a b"], "Env": ["A=1 2", "B=é"],
            "WorkingDir": "/srv", "User": "1000:50", "Labels": {"k": "v=w", "empty": ""}})
        self.assertEqual(config["created"], "1970-01-01T00:00:00Z")

    def test_the_result_is_told_in_a_line_or_as_json(self):
        result = self.pack()
        self.check(result, 0)
        self.assertRegex(result.stdout.decode(), r"x\.tar is sha256:[0-9a-f]{64}, [\d.]+ KiB\n\Z")
        told = json.loads(self.pack("--json").stdout)
        self.assertEqual(told["size_bytes"], os.path.getsize(self.output))
        manifest, _ = self.config(self.read_output())
        self.assertEqual(manifest["Config"], told["image"].removeprefix("sha256:") + ".json")

    def test_stdout_gets_the_same_bytes_and_nothing_else(self):
        self.check(self.pack(), 0)
        for arguments in ((), ("-o", "-")):
            piped = faas("pack", self.root, "--entrypoint", "/app", *arguments)
            self.check(piped, 0)
            self.assertEqual(piped.stdout, self.read_output())

    def test_the_time_of_the_build_may_be_given(self):
        self.check(self.pack(env=environment(SOURCE_DATE_EPOCH="86400")), 0)
        self.assertEqual(self.config(self.read_output())[1]["created"], "1970-01-02T00:00:00Z")
        os.remove(self.output)
        self.refused(self.pack(env=environment(SOURCE_DATE_EPOCH="soon")), "SOURCE_DATE_EPOCH")

    def test_the_file_has_the_mode_of_the_umask_and_replaces_an_older_one(self):
        with open(self.output, "w", encoding="utf-8") as file:
            file.write("old")
        os.chmod(self.output, 0o600)
        os.symlink("x.tar", os.path.join(self.directory, "link"))
        result = faas("pack", self.root, "-o", os.path.join(self.directory, "link"),
                      "--entrypoint", "/app", preexec_fn=lambda: os.umask(0o027))
        self.check(result, 0)
        self.assertEqual(os.stat(self.output).st_mode & 0o777, 0o640)
        self.assertEqual(sorted(os.listdir(self.directory)), ["link", "root", "x.tar"])
        self.assertTrue(os.path.islink(os.path.join(self.directory, "link")))

    def test_a_failure_leaves_the_older_file_as_it_was(self):
        with open(self.output, "w", encoding="utf-8") as file:
            file.write("old")
        self.check(self.pack("--workdir", "/gone"), 2, "/gone")
        self.assertEqual(self.read_output(), b"old")

    def test_wrong_arguments_are_refused_with_advice(self):
        nothing = faas("pack", self.root, "-o", self.output)
        self.refused(nothing, "--entrypoint")
        self.refused(faas("pack", self.root, "-o", self.output, "--entrypoint", "/app -v"),
                     """--entrypoint '["/app", "-v"]'""")
        self.refused(faas("pack", self.root, "-o", self.output, "--entrypoint", "/gone"), "/gone")
        self.refused(self.pack("--tag", "UPPER"), "--tag")
        self.refused(self.pack("-e", "A"), "--env 'A' is not KEY=VALUE")
        self.refused(self.pack("--label", "x"), "--label 'x' is not KEY=VALUE")
        self.refused(faas("pack", self.program, "-o", self.output),
                     f"app is no directory; an archive is deployed with `faas new NAME -f "
                     f"{self.program}`")
        self.refused(faas("pack", "-o", self.output, "--entrypoint", "/app"), "DIR")
        self.refused(faas("pack", self.root, "--entrypoint", "/app", "--json"), "-o FILE")

    def test_a_directory_that_cannot_be_packed_is_named(self):
        for path, reason in ((self.root + "-gone", "No such file"), (self.program, "directory")):
            result = faas("pack", path, "-o", self.output, "--entrypoint", "/app")
            self.refused(result, reason)
            self.assertIn(path, result.stderr.decode())

    def test_an_output_inside_the_directory_is_refused(self):
        inside = os.path.join(self.root, "x.tar")
        result = faas("pack", self.root, "-o", inside, "--entrypoint", "/app")
        self.refused(result, "inside")
        result = faas("pack", ".", "-o", "x.tar", "--entrypoint", "/app", cwd=self.root)
        self.refused(result, "inside")
        with open(inside, "wb") as file:
            result = faas("pack", self.root, "--entrypoint", "/app", stdout=file)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"x.tar is where the image goes", result.stderr)
        self.assertEqual(os.path.getsize(inside), 0)

    def test_an_output_that_is_no_file_is_refused(self):
        for path in ("/dev/null", self.directory, self.directory + "/", ""):
            result = faas("pack", self.root, "-o", path, "--entrypoint", "/app")
            self.refused(result, "file")
        self.assertTrue(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"))

    def test_an_output_that_cannot_be_written_is_exit_code_1(self):
        result = faas("pack", self.root, "-o", "/proc/x.tar", "--entrypoint", "/app")
        self.check(result, 1, "write /proc/x.tar")
        with open("/dev/full", "wb") as full:
            result = faas("pack", self.root, "--entrypoint", "/app", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left", result.stderr)

    def test_a_terminal_gets_no_tarball(self):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        with os.fdopen(follower, "wb", buffering=0) as terminal:
            process = start("pack", self.root, "--entrypoint", "/app", stdout=terminal)
            _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2)
        self.assertIn(b"-o FILE", stderr)

    def test_what_is_left_out_is_named(self):
        os.mkfifo(os.path.join(self.root, "pipe\x1b[2J"))
        result = self.pack()
        self.check(result, 0, "left out pipe\\x1b[2J: it is a fifo")
        for number in range(100):
            os.mkfifo(os.path.join(self.root, f"f{number}"))
        lines = self.pack().stderr.decode().splitlines()
        self.assertEqual(len(lines), 31)
        self.assertEqual(lines[-1], "faas: left out 71 more")

    def test_an_interrupt_leaves_nothing_behind(self):
        with open(os.path.join(self.root, "large"), "wb") as file:
            file.truncate(4 << 30)  # more than is read before the signal comes
        process = start("pack", self.root, "-o", self.output, "--entrypoint", "/app")
        self.addCleanup(process.kill)
        while not self.has_open(process, file.name):
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(os.listdir(self.directory), ["root"])


class Completion(unittest.TestCase):
    def complete(self, *words):
        script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
                  'compopt() { :; }; _faas; printf "%s\\n" "${COMPREPLY[@]}"')
        completions = os.path.join(ROOT, "faas-cli", "completions", "faas.bash")
        done = subprocess.run(["bash", "-c", script, "bash", completions, FAAS, *words], cwd=ROOT,
                              capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.split()

    def test_knows_the_verb_its_options_and_that_it_takes_a_directory(self):
        self.assertEqual(self.complete("pa"), ["pack"])
        self.assertEqual(self.complete("pack", "--ent"), ["--entrypoint"])
        self.assertEqual(self.complete("pack", "handl"), ["handlers"])
        self.assertEqual(self.complete("pack", "handlers", "-o", "READ"), ["README.md"])

    def test_offers_names_of_functions_where_one_is_wanted_and_no_more(self):
        names = ["alpha", "beta"]
        with FakeDaemon(GET=lambda request: request.answer(
                200, {"functions": [{"name": name} for name in names]})) as daemon:
            for complete in (self.complete, self.complete_in_fish):
                for words in (["rollback"], ["ip"], ["rm", "alpha"], ["rollback", "--json"]):
                    with self.subTest(complete=complete, words=words):
                        self.assertEqual(complete(*daemon.flags, *words, ""), names)
                for words in (["rollback", "alpha"], ["versions", "alpha"]):
                    with self.subTest(complete=complete, words=words):
                        self.assertEqual(complete(*daemon.flags, *words, ""), [])

    def test_knows_what_is_done_with_languages_and_scripts(self):
        languages = ["javascript", "python", "typescript"]
        for complete in (self.complete, self.complete_in_fish):
            for words, wanted in ((["ca"], ["call"]),
                                  (["runtime", ""], ["install", "list", "rm"]),
                                  (["runtime", "rm", ""], languages),
                                  (["runtime", "install", ""], languages),
                                  (["runtime", "install", "python", "--queue-"],
                                   ["--queue-timeout"]),
                                  (["run", "-l", ""], languages),
                                  (["run", "READM"], ["README.md"]),
                                  (["call", "--st"], ["--stream"])):
                with self.subTest(complete=complete, words=words):
                    self.assertEqual(sorted(complete(*words)), wanted)

    def complete_in_fish(self, *words):
        if shutil.which("fish") is None:
            self.skipTest("there is no fish")
        completions = os.path.join(ROOT, "faas-cli", "completions", "faas.fish")
        path = os.path.dirname(FAAS) + ":" + os.environ["PATH"]
        done = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                               completions, " ".join(["faas", *words])], timeout=60, check=True,
                              env=environment(PATH=path), capture_output=True, text=True)
        # Behind a word it explains it.
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]


if __name__ == "__main__":
    unittest.main()
