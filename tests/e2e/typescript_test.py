"""TypeScript: scripts that are compiled once and run with no compiler, and an image of several
files that is compiled when it is built. Lines and columns are always the user's."""

import json
import os
import tempfile
import unittest

import docker_engine
import handlers_test
import readme_test
from handlers_test import HANDLERS, JSON

README = "handlers/typescript/README.md"
BASE = docker_engine.Base("faas/typescript", HANDLERS, "typescript/Dockerfile")


class OnTypescript(handlers_test.OnABase):
    language = "typescript"

    @classmethod
    def make_images(cls, engine, context):
        below = handlers_test.bases("javascript")
        cls.base_tar = str(engine.image_tar(HANDLERS, BASE.dockerfile, below[:1]))
        cls.archive = str(engine.image_tar(context, bases=[*below, BASE]))
        cls.without_compiler, cls.not_compiled = (
            cls.image(engine, command, [below[0], BASE])
            for command in ("rm /usr/bin/esbuild", "touch handler.ts"))

    @staticmethod
    def image(engine, command, bases):
        with tempfile.TemporaryDirectory(prefix="h-") as context:
            with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
                file.write(f"FROM {BASE.name}\nRUN {command}\n")
            return str(engine.image_tar(context, bases=bases))


class TypescriptScripts(handlers_test.Scripts, OnTypescript):
    name = "mine.ts"
    PRINTS = "console.log('one'); const n: number = 1; console.log('two'); return n"
    GOOD = (
        *handlers_test.JavascriptScripts.GOOD,
        ("const a: number = event.a as number; return a!", {"a": 2}, {"data": 2, "type": "number"}),
        ("enum Color { Red = 'r', Blue = 'b' }\nreturn Object.values(Color)", None,
         {"data": ["r", "b"], "type": "json"}),
        ("interface Box<T> { value: T }\nfunction open<T>(box: Box<T>): T { return box.value }\n"
         "return open<string>({ value: 'in' }) satisfies string", None,
         {"data": "in", "type": "string"}),
        ("class P { constructor(readonly x: number, private y?: string) {} }\n"
         "abstract class Q extends P { abstract f(): void }\nreturn new P(3).x", None,
         {"data": 3, "type": "number"}),
        ("function twice(_: any, key: string, d: PropertyDescriptor) {\n"
         "  const f = d.value; d.value = () => 2 * f();\n}\n"
         "class A { @twice f() { return 21 } }\nreturn new A().f()", None,
         {"data": 42, "type": "number"}),
        ("// its imports\nimport type { Nothing } from './nowhere'\n"
         "import path, { type ParsedPath } from 'node:path'; import * as os from 'node:os'\n"
         "import fs = require('node:fs');\nconst n: Nothing = await 1;\n"
         "return [path.sep, typeof os.EOL, typeof fs.readFileSync, n]", None,
         {"data": ["/", "string", "function", 1], "type": "json"}),
        ("type Deep = Deep[]; let d: Deep = []; for (let i = 0; i < 400; i++) d = [d];\n"
         "return JSON.stringify(d).length", None, {"data": 802, "type": "number"}),
        ("return '//# faas ' + `\n//# faas {`", None,
         {"data": "//# faas \n//# faas {", "type": "string"}),
    )
    # (code, error, line, column)
    PLACED = (
        ("let x = = 1", "^SyntaxError", 1, 9),
        ("const ü = 'üü'; let 𝒳: number 1", "^SyntaxError", 1, 32),
        ("interface A {\n  b: string\n}\n\n  const = 2", "^SyntaxError", 5, 9),
        ("import 'node:fs'; let x y", "^SyntaxError", 1, 25),
        ("const f = () => {\n  return 1;", "^SyntaxError: Unexpected end", 2, 12),
        ("if (event) {} }", "^SyntaxError: a bracket closes", 1, 16),
        ("}); foo(); (() => {", "^SyntaxError", 1, 2),
        ("return 1 })(); (async()=>{", "^SyntaxError: Unexpected", 1, 11),
        ("}); console.log('x'); ({", "^SyntaxError: Unexpected", 1, 2),
        ("}, async () => {", "^SyntaxError: a bracket closes", None, None),
        ("}][0]); foo(); ([async () => {", "^SyntaxError: a bracket closes", None, None),
        ("#!/usr/bin/env node\nimport os from 'node:os'\n  null.a", "^TypeError", 3, 8),
        ("\ufefflet x = = 1", "^SyntaxError", 1, 9),
        ("const r = 1;\nconst q: RegExp =\n  /(/;", "^SyntaxError: Invalid regular", 3, None),
        ("export const a = 1", "^SyntaxError", 1, 1),
        ("interface A {\n  b: string\n}\n// A comment.\n\n  throw new RangeError('bad')",
         "^RangeError: bad$", 6, 9),
        ("throw new Error('first')", "^Error: first$", 1, 7),
        ("const ü: string = 'üü'; throw new Error(ü)", "^Error: üü$", 1, 31),
        ("import os from 'node:os'; throw new Error(typeof os.EOL)", "^Error: string$", 1, 33),
        ("type T = {\n  a: any\n}\nconst f = (t: T) =>\n  t.a.b.c;\nf({ a: {} })",
         "^TypeError", 5, 9),
        ("setTimeout(() => {\n  let a: any\n\n  throw new Error('late')\n}, 1)", "^Error: late$",
         4, 9),
        ("import gone from 'no-such-module';\n\nreturn gone", "Cannot find module", 1, None),
    )
    BAD = tuple(row[:3] for row in PLACED if row[2]) + tuple(
        row for row in handlers_test.JavascriptScripts.BAD if row[2] is None and "})" not in row[0])

    def compile_script(self, address, code, status=200, name="mine.ts"):
        return self.ask_json(address, "/compile", json.dumps({"code": code, "name": name}), JSON,
                             status=status)

    def run_compiled(self, address, compiled, given=None, status=200, **more):
        return self.ask_json(address, "/", json.dumps({
            "compiled": compiled, "input": given, "name": self.name, **more}), JSON, status=status)

    test_are_not_compiled_where_the_language_is_not = None  # it is

    def test_are_compiled_once_and_run_without_a_compiler(self):
        faasd = self.start()
        compiler = faasd.deploy("compiler", self.base_tar)
        runner = faasd.deploy("runner", self.without_compiler)
        for code, given, answer in self.GOOD:
            with self.subTest(code):
                compiled = self.compile_script(compiler, code)["compiled"]
                self.assertEqual(self.run_compiled(runner, compiled, given), answer)
                self.assertEqual(self.run_compiled(runner, compiled, given, code="not looked at"),
                                 answer)

    def test_that_fail_have_their_place_when_they_are_compiled_and_when_they_run(self):
        faasd = self.start()
        compiler = faasd.deploy("compiler", self.base_tar)
        runner = faasd.deploy("runner", self.without_compiler)
        for code, error, line, column in self.PLACED:
            with self.subTest(code):
                given = json.dumps({"code": code, "name": self.name})
                reply = self.ask(compiler, "/compile", given)
                answer = json.loads(reply.text)
                if reply.status == 200:
                    answer = self.run_compiled(runner, answer["compiled"], status=500)
                    self.assertEqual(answer["code"], "script_failed")
                    self.assertIn(self.name, answer["traceback"])
                else:
                    self.assertEqual((reply.status, answer["code"]), (500, "compile_failed"))
                self.assertRegex(answer["error"], error)
                if error.startswith("^SyntaxError"):
                    self.assertEqual(answer["code"], "compile_failed")
                if line:
                    self.assertEqual(answer["line"], line, answer)
                if column:
                    self.assertEqual(answer.get("column"), column, answer)

    def test_print_traces_with_their_own_lines(self):
        faasd = self.start()
        address = self.deploy_base(faasd)
        self.run_script(address, "interface A {\n  a: 1\n}\n\nconst f = () => new Error('shown');\n"
                                 "console.log(f().stack.split('\\n').slice(0, 3).join('|'))")
        faasd.log.wait_until(lambda: [line.get("text") for line in faasd.function_log("base")] == [
            "Error: shown|    at f (/app/mine.ts:5:17)|    at /app/mine.ts:6:13"],
            lambda: str(faasd.function_log("base")))

    def test_may_have_jsx_if_their_name_says_so(self):
        address = self.deploy_base()
        code = "const React = { createElement: (tag: string) => tag }; return <br/>"
        compiled = self.compile_script(address, code, name="mine.tsx")["compiled"]
        self.assertEqual(self.run_compiled(address, compiled)["data"], "br")
        self.compile_script(address, code, status=500)

    def test_need_a_compiler_that_runs(self):
        address = self.start().deploy("runner", self.without_compiler)
        for answer in (self.compile_script(address, "return 1", status=500),
                       self.run_script(address, "return 1", status=500)):
            self.assertEqual(answer["code"], "compiler_failed")
            self.assertRegex(answer["error"], "cannot be started.*ENOENT")

    def test_to_be_compiled_that_are_none_are_the_clients_fault(self):
        address = self.deploy_base()
        for target, body in (("/compile", b"{}"), ("/compile", b'{"compiled": "1"}'),
                             ("/compile", b"null"), ("/", b'{"compiled": 7}'),
                             ("/", b'{"compiled": ""}'),
                             ("/", b'{"compiled": "1", "code": 7}')):
            with self.subTest(target=target, body=body):
                answer = self.ask_json(address, target, body, JSON, status=400)
                self.assertEqual(answer["code"], "bad_script")


class TypescriptEvents(OnTypescript):
    def test_are_compiled_with_the_image(self):
        address = self.start().deploy("several", self.archive)
        self.assertEqual(self.ask_json(address, "/here", b"good"), {
            "file": "from a second file", "path": "/here", "package": "007", "required": True})

    def test_that_fail_are_a_500_and_the_log_has_the_lines_of_the_source(self):
        faasd = self.start()
        address = faasd.deploy("several", self.archive)
        self.ask_json(address, "/", b"fail", status=500)
        for place in ("RangeError: no such luck", "/app/second.ts:12:11", "/app/handler.ts:11:2"):
            faasd.log.wait_until(
                lambda place=place: any(place in line.get("text", "")
                                        for line in faasd.function_log("several")),
                lambda: str(faasd.function_log("several")))

    def test_that_were_not_compiled_do_not_leave_the_address_to_the_code_of_anybody(self):
        faasd = self.start()
        address = faasd.deploy("forgotten", self.not_compiled)
        self.assertEqual(self.ask(address, "/", b'{"code": "return 1"}', JSON).status, 502)
        faasd.log.wait_until(lambda: any("RUN faas-build" in line.get("text", "")
                                         for line in faasd.function_log("forgotten")), "no reason")


class TheReadmeOfTypescript(readme_test.AReadme):
    def test_has_commands_that_run(self):
        self.run_commands(README, built=[handlers_test.bases("javascript")[0], BASE])


if __name__ == "__main__":
    unittest.main()
