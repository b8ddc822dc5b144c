// Compiles a script with esbuild: types are removed, not checked. {compiled}, or {error, code, line,
// column}: `compile_failed` is the user's fault, `compiler_failed` the machine's.
//
// esbuild refuses `return` beside `await` outside of functions, so the script becomes the body of a
// function before it sees it; the imports at its beginning cannot stand there, and stay outside.
import { spawn } from 'node:child_process';
import Module from 'node:module';
import vm from 'node:vm';

import { HEAD, TAIL, placesOf, usersPlace, withMap } from './typescript.mjs';

const ESBUILD = '/usr/bin/esbuild';
const OPTIONS = [
  '--format=cjs',
  '--target=node18',
  '--charset=utf8',
  '--sourcemap=inline',
  '--sources-content=false',
  '--log-level=error',
  '--log-limit=1',
  '--color=false',
];
const MAP = /\n\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]+)\s*$/;
const PROBLEM = /\[ERROR\] (.*)(?:\n\n +(?:.*):(\d+):(\d+):\n)?/;
const SHOWN = 500; // of what a compiler said that has failed otherwise

// What of HEAD and TAIL the compiler writes.
const BEGIN = 'Reflect.set(exports, "body", [async () => {';
const END = '}][0]);\n';
const UNOPENED = 'SyntaxError: a bracket closes what the script has not opened';
const AsyncFunction = (async () => {}).constructor;

const BETWEEN = /(?:\s|\/\/.*|\/\*[^]*?\*\/)*/y;
const DIRECTIVE = /(?:"use strict"|'use strict');?/y;
const TEXT = `(?:"[^"\\n]*"|'[^'\\n]*')`;
const IMPORT = new RegExp(
  `import(?:\\s+\\w+\\s*=\\s*require\\s*\\(\\s*${TEXT}\\s*\\)|\\b(?:[^'"();=]*\\bfrom)?\\s*${TEXT})\\s*;?`,
  'y',
);

// Where the imports at the beginning of a script end; 0 if it has none.
function endOfImports(code) {
  let end = 0;
  let next = 0;
  const skip = (pattern) => {
    pattern.lastIndex = next;
    const found = pattern.exec(code);
    if (found) next = pattern.lastIndex;
    return found !== null;
  };
  skip(BETWEEN);
  skip(DIRECTIVE);
  while (skip(BETWEEN) && skip(IMPORT)) end = next;
  return end;
}

function esbuild(source, name) {
  const loader = name.endsWith('.tsx') ? 'tsx' : 'ts';
  return new Promise((resolve, reject) => {
    const child = spawn(ESBUILD, [`--loader=${loader}`, ...OPTIONS], { cwd: '/' });
    const output = { stdout: [], stderr: [] };
    for (const [each, parts] of Object.entries(output)) {
      child[each].on('data', (part) => parts.push(part));
    }
    child.on('error', reject);
    child.stdin.on('error', () => {}); // its exit says why
    child.on('close', (status, signal) => {
      const [stdout, stderr] = Object.values(output).map((parts) => Buffer.concat(parts).toString());
      resolve({ stdout, stderr, failed: status !== 0, end: signal ?? `exit status ${status}` });
    });
    child.stdin.end(source);
  });
}

// What the compiler expected is our own bracket, unless the script has some.
const saidOf = (problem, code) =>
  code.includes('[') ? problem : problem.replace(/^Expected "\]" but found/, 'Unexpected');

const failure = (error, place) => ({ error, code: 'compile_failed', ...place });

// `line` and `byte` are esbuild's: in the text that it was given, a line's bytes count from 0.
function usersFailure(problem, line, byte, source, code, at) {
  const text = Buffer.from(source.split('\n')[line - 1] ?? '');
  const place = usersPlace(line - 1, text.subarray(0, byte).toString().length, at);
  const lines = code.split('\n');
  if (place.line < lines.length) {
    const found = { line: place.line + 1, column: place.column + 1 };
    return failure(`SyntaxError: ${saidOf(problem, code)}`, found);
  }
  const end = { line: lines.length, column: lines.at(-1).length + 1 };
  const isOurs = saidOf(problem, code) !== problem; // which its `}` has come before
  return failure(isOurs ? UNOPENED : 'SyntaxError: Unexpected end of the script', end);
}

// What the compiler does not look at, regular expressions above all; and whether the script is the
// body of its function, and not the end of it and more.
function findingOfNode(compiled, end) {
  try {
    new vm.Script(Module.wrap(compiled), { filename: 'compiled' });
    if (!compiled.startsWith(END, end - END.length)) return failure(UNOPENED, {});
    const begin = compiled.indexOf(BEGIN) + BEGIN.length;
    new AsyncFunction(compiled.slice(begin, end - END.length));
    return undefined;
  } catch (error) {
    const line = Number(/^compiled:(\d+)/.exec(String(error.stack))?.[1]);
    if (line) {
      const place = placesOf(compiled)(line, Infinity);
      return failure(`${error.name}: ${error.message}`, { line: place.line });
    }
    return failure(UNOPENED, {});
  }
}

export async function compile(code, name) {
  const end = endOfImports(code);
  const before = code.slice(0, end).split('\n');
  const at = { line: before.length - 1, column: before.at(-1).length };
  const source = `${code.slice(0, end)}${HEAD}${code.slice(end)}${TAIL}`;
  let done;
  try {
    done = await esbuild(source, name);
  } catch (error) {
    return { error: `the compiler cannot be started: ${error.message}`, code: 'compiler_failed' };
  }
  const [, problem, line, byte] = (done.failed && PROBLEM.exec(done.stderr)) || [];
  if (line) return usersFailure(problem, Number(line), Number(byte), source, code, at);
  const map = done.failed ? null : MAP.exec(done.stdout);
  if (!map) {
    const said = problem ?? done.stderr.trim().slice(0, SHOWN);
    return { error: `the compiler failed: ${done.end}: ${said}`, code: 'compiler_failed' };
  }
  const { mappings } = JSON.parse(Buffer.from(map[1], 'base64').toString());
  const text = done.stdout.slice(0, map.index + 1);
  const compiled = withMap(text, at, mappings);
  return findingOfNode(compiled, text.length) ?? { compiled };
}
