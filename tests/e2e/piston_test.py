"""The Piston v2 API, as its clients use it: programs of several files in any image."""

import base64
import json
import unittest

import readme_test
from script_case import ScriptTestCase

JSON = {"Content-Type": "application/json"}


class PistonTest(ScriptTestCase):
    languages = ("bash", "c", "python")

    def execute(self, faasd, language, *files, status=200, place="/api/v2", **members):
        request = {"language": language, "version": "*",
                   "files": [{"content": each} if isinstance(each, str) else each
                             for each in files], **members}
        got, self.headers, data = faasd.api("POST", f"{place}/execute", json.dumps(request), JSON)
        self.assertEqual(got, status, data)
        return data

    def test_programs_in_languages_that_are_an_image_and_a_line(self):
        faasd = self.start_with_languages()
        listed = faasd.api("GET", "/api/v2/runtimes")[2]
        self.assertEqual(listed, faasd.api("GET", "/api/v2/piston/runtimes")[2])
        self.assertEqual([each["language"] for each in listed], ["bash", "c", "python"])
        self.assertEqual(set(listed[0]), {"language", "version", "aliases"})
        for language, program in (
                ("bash", 'read -r line; echo "$line $1 $#"; echo err >&2; exit 3'),
                ("sh", 'read -r line; echo "$line $1 $#"; echo err >&2; exit 3'),
                ("python", "import sys\nprint(input(), sys.argv[1], len(sys.argv) - 1)\n"
                           "print('err', file=sys.stderr)\nsys.exit(3)"),
                ("gcc", "#include <stdio.h>\nint main(int c, char** v) { char l[9] = {0};\n"
                        "scanf(\"%8s\", l); printf(\"%s %s %d\\n\", l, v[1], c - 1);\n"
                        "fflush(stdout); fprintf(stderr, \"err\\n\"); return 3; }")):
            with self.subTest(language=language):
                done = self.execute(faasd, language, program, stdin="line\n", args=["ä b", "-x"],
                                    place="/api/v2/piston")
                run = done["run"]
                self.assertEqual((run["stdout"], run["stderr"], run["code"], run["signal"]),
                                 ("line ä b 2\n", "err\n", 3, None))
                self.assertEqual((run["status"], run["output"]), ("RE", "line ä b 2\nerr\n"))
                for cost in ("cpu_time", "wall_time", "memory"):
                    self.assertGreaterEqual(run[cost], 0)
                self.assertEqual("compile" in done, language == "gcc")

    def test_several_files_in_any_encoding(self):
        faasd = self.start_with_languages()
        done = self.execute(
            faasd, "c", {"name": "main.c", "content": '#include "sub/two.h"\n#include <stdio.h>\n'
                                                      "int main(void) { puts(two()); }"},
            {"name": "two.c", "content": base64.b64encode(
                b'#include "sub/two.h"\nconst char* two(void) { return "two"; }').decode(),
             "encoding": "base64"},
            {"name": "sub/two.h", "content": b"const char* two(void);".hex(), "encoding": "hex"})
        self.assertEqual(done["run"]["stdout"], "two\n", done)
        for name in ("../x", "/etc/x", "a/../../x", "a\0b"):
            with self.subTest(name=name):
                self.assertIn("message", self.execute(
                    faasd, "bash", {"name": name, "content": "echo"}, status=400))

    def test_what_does_not_compile_does_not_run(self):
        faasd = self.start_with_languages()
        done = self.execute(faasd, "c", "int main(void) { return x; }")
        self.assertNotIn("run", done)
        self.assertEqual((done["compile"]["code"], done["compile"]["status"]), (1, "RE"))
        self.assertIn("main.c:1", done["compile"]["stderr"])

    def test_a_compiler_that_prints_much_is_heard_and_its_program_runs(self):
        faasd = self.start_with_languages()
        warnings = ('#warning "' + "\x01" * 1000 + '"\n') * 200
        done = self.execute(faasd, "c", warnings + "int main(void) { return 7; }")
        self.assertEqual((done["compile"]["code"], done["run"]["code"]), (0, 7))
        self.assertIn("#warning", done["compile"]["stderr"])

    def test_what_is_ended_still_returns_what_it_printed(self):
        faasd = self.start_with_languages()
        done = self.execute(faasd, "bash", "echo before; while :; do :; done", run_timeout=500)
        self.assertEqual((done["run"]["stdout"], done["run"]["status"], done["run"]["signal"]),
                         ("before\n", "TO", "SIGKILL"), done)
        done = self.execute(faasd, "python", "import sys\nprint('before', flush=True)\n"
                                             "x = bytearray(1 << 30)", run_memory_limit=32 << 20)
        self.assertEqual((done["run"]["stdout"], done["run"]["signal"]), ("before\n", "SIGKILL"))
        done = self.execute(faasd, "bash", "echo before; while :; do echo more; done",
                            run_timeout=20_000)
        self.assertEqual((done["run"]["status"], done["run"]["stdout"][:12]),
                         ("OL", "before\nmore\n"))
        done = self.execute(faasd, "bash", "echo before; kill -SEGV $$")
        self.assertEqual((done["run"]["stdout"], done["run"]["status"], done["run"]["signal"],
                          done["run"]["code"]), ("before\n", "SG", "SIGSEGV", None))

    def test_requests_that_are_none_are_a_400_with_a_message(self):
        faasd = self.start_with_languages()
        good = {"language": "bash", "version": "*", "files": [{"content": "echo"}]}
        for change, message in (
                ({"language": None}, "language is required as a string"),
                ({"version": 5}, "version is required as a string"),
                ({"files": {}}, "files is required as an array"),
                ({"files": [{}]}, "files[0].content is required as a string"),
                ({"files": [{"content": "x", "encoding": "rot13"}]}, "files[0].encoding"),
                ({"language": "cobol"}, "cobol-* runtime is unknown"),
                ({"version": "4"}, "bash-4 runtime is unknown"),
                ({"run_timeout": "1"}, "run_timeout must be specified as a number"),
                ({"run_timeout": 10 ** 9}, "run_timeout cannot exceed the configured limit of"),
                ({"run_memory_limit": -2}, "run_memory_limit must be non-negative"),
                ({"run_memory_limit": 2 ** 50}, "cannot exceed the configured limit of"),
                ({"files": [{"content": ""}] * 10_001}, "files has more than 10000 elements"),
                ({"args": [1]}, "args must be an array of strings"),
                ({"args": "x"}, "args must be an array"), ({"stdin": 1}, "stdin must be")):
            with self.subTest(change=change):
                status, _, data = faasd.api("POST", "/api/v2/execute",
                                            json.dumps({**good, **change}), JSON)
                self.assertEqual((status, set(data)), (400, {"message"}))
                self.assertIn(message, data["message"])
        for headers, status in (({}, 415), ({"Content-Type": "text/plain"}, 415), (JSON, 400)):
            self.assertEqual(faasd.api("POST", "/api/v2/execute", "{", headers)[0], status)
        for selector in ("5", "5.2", "5.x", "^5.0", ">=5 <6", "5.2.15"):
            done = self.execute(faasd, "bash", "echo hi", version=selector)
            self.assertEqual((done["version"], done["run"]["stdout"]), ("5.2.15", "hi\n"))

    def test_nothing_of_a_program_is_visible_to_the_next_and_it_has_no_network(self):
        faasd = self.start_with_languages()
        leave = "echo x > /tmp/mine; (sleep infinity &) ; : > /dev/shm/mine; echo left"
        self.assertEqual(self.execute(faasd, "bash", leave)["run"]["stdout"], "left\n")
        look = ("ls /tmp /dev/shm; id -u; set -- /proc/[0-9]*; echo $#; "
                "grep -c : /proc/net/dev")
        self.assertEqual(self.execute(faasd, "bash", look)["run"]["stdout"].split(),
                         ["/dev/shm:", "/tmp:", "program", "0", "2", "1"])


class TheGuideToLanguages(readme_test.AReadme):
    def test_has_commands_that_run(self):
        self.run_commands("docs/LANGUAGES.md")


if __name__ == "__main__":
    unittest.main()
