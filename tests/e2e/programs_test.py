"""Programs in the languages of handlers/*/language.json, run by faas-execute in their images as
their files say."""

import json
import os
import shutil
import tempfile
import unittest

import docker_engine
import execute_root
import faasd_process
import handlers_test
from faasd_process import FaasdTestCase

HANDLERS = handlers_test.HANDLERS
ON_JAVASCRIPT = docker_engine.Base("faas/javascript", HANDLERS, "javascript/Dockerfile")
# Its files, what it prints with the argument "two" and the input "three", and how its version is
# found out, if it says so itself.
PROGRAMS = {
    "bash": ({"main.sh": '. ./second.sh\nread -r line\necho "$one $1 $line"\n',
              "second.sh": "one=one\n"}, "echo ${BASH_VERSION%%(*}"),
    "c": ({"main.c": '#include <math.h>\n#include <stdio.h>\nconst char* one(void);\n'
                     'int main(int argc, char** argv) {\n  char line[9] = "";\n'
                     '  if (argc != 1 + (int)sqrt(argc - 1.0)) return 1;\n'
                     '  if (scanf("%8s", line) != 1) return 2;\n'
                     '  printf("%s %s %s\\n", one(), argv[1], line);\n}\n',
           "more/second.c": 'const char* one(void) { return "one"; }\n'}, "gcc -dumpfullversion"),
    "javascript": ({"main.js": "const { one } = require('./second');\n"
                               "const line = require('fs').readFileSync(0, 'utf8').trim();\n"
                               "console.log(one, process.argv[2], line);\n",
                    "second.js": "exports.one = 'one';\n"}, "node -p process.versions.node"),
    "python": ({"main.py": "import sys, second\nprint(second.one, sys.argv[1], input())\n",
                "second.py": "one = 'one'\n"}, "python3 -c 'import platform as p; "
                                               "print(p.python_version())'"),
    "typescript": ({"main.ts": "import { readFileSync } from 'node:fs';\n"
                               "import { type One, one } from './second';\n"
                               "const line: string = readFileSync(0, 'utf8').trim();\n"
                               "const first: One = await one() satisfies One;\n"
                               "console.log(first, process.argv[2], line);\n",
                    "second.ts": "export type One = 'one';\n"
                                 "export async function one(): Promise<One> { return 'one'; }\n"},
                   None),
}


def language(name):
    with open(os.path.join(HANDLERS, name, "language.json"), encoding="utf-8") as file:
        return json.load(file)


class Programs(FaasdTestCase):
    @classmethod
    def setUpClass(cls):
        parent = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="g-"))
        engine = docker_engine.DockerEngine(os.path.join(parent, "engine"))
        cls.addClassCleanup(engine.stop)
        try:
            cls.archives = {name: cls.image(engine, os.path.join(parent, name), name)
                            for name in PROGRAMS}
        except docker_engine.Unavailable as reason:
            raise unittest.SkipTest(f"no Docker engine can run here: {reason}") from None
        engine.stop()

    @staticmethod
    def image(engine, context, name):
        """The image of the language with faas-execute in it, which faasd would put there."""
        os.mkdir(context)
        shutil.copy2(faasd_process.binary("faas-execute"), context)
        with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(f"FROM faas/{name}\nCOPY faas-execute /\nENTRYPOINT [\"/faas-execute\"]\n")
        base = docker_engine.Base(f"faas/{name}", HANDLERS, f"{name}/Dockerfile")
        below = [ON_JAVASCRIPT] if name == "typescript" else []
        return str(engine.image_tar(context, bases=[*below, base]))

    def execute(self, address, request):
        """(lines of the reply, what was printed)."""
        before = len(self.faasd.function_log("program"))
        execution = execute_root.Execution(None, faasd_process.connect(address))
        self.addCleanup(execution.connection.close)
        execution.send(request)
        status, lines = execution.answer()
        self.assertEqual(status, 200, lines)
        printed = self.faasd.log.wait_until(
            lambda: self.faasd.function_log("program")[before:], lambda: str(lines))
        return lines, [line["text"] for line in printed]

    @staticmethod
    def filled(arguments, names):
        return [word for argument in arguments for word in (
            names if argument == "{files}" else [argument.replace("{file}", names[0])])]

    def test_are_compiled_and_run_as_their_language_says(self):
        self.faasd = self.start()
        for name, (files, version_command) in PROGRAMS.items():
            with self.subTest(language=name):
                known = language(name)
                address = self.faasd.deploy("program", self.archives[name])
                request = {"files": [{"name": each, "content": text}
                                     for each, text in files.items()],
                           "run": [*self.filled(known["run"], list(files)), "two"],
                           "stdin": "three\n"}
                if "compile" in known:
                    request["compile"] = self.filled(known["compile"], list(files))
                lines, printed = self.execute(address, request)
                self.assertEqual(printed, ["one two three"], lines)
                self.assertEqual(lines[-1]["run"]["code"], 0)
                if version_command:
                    _, printed = self.execute(address, {
                        "files": [], "run": ["bash", "-c", version_command]})
                    self.assertEqual(printed, [known["version"]])

    def test_that_are_wrong_are_told_with_their_lines(self):
        self.faasd = self.start()
        for name, file, text, place in (
                ("c", "main.c", "int main(void) {\n  return x;\n}\n", "main.c:2:10"),
                ("typescript", "main.ts", "type A = 1;\nlet x y;\n", "main.ts:2:6")):
            with self.subTest(language=name):
                known = language(name)
                execution = execute_root.Execution(None, faasd_process.connect(
                    self.faasd.deploy(name, self.archives[name])))
                self.addCleanup(execution.connection.close)
                execution.send({"files": [{"name": file, "content": text}],
                                "compile": self.filled(known["compile"], [file]),
                                "run": known["run"]})
                _, lines = execution.answer()
                self.assertEqual([list(line) for line in lines], [["compile"]])
                self.assertIn(place, lines[0]["compile"]["stderr"])
                self.assertEqual(lines[0]["compile"]["status"], "RE")


if __name__ == "__main__":
    unittest.main()
