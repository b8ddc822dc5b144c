// Where and why JavaScript is no body of a function. Loaded when it is none.
import vm from 'node:vm';

import { pathOf } from './script.mjs';

// What Node puts before a syntax error: its place, the line, and where in it: blank at the end.
const SHOWN = /^(.*:(\d+)\n.*\n(?:([ \t]*)\^*\n)?)\n/;
// Of a script that is no longer at its end, whatever it was that it did not expect.
const END = 'SyntaxError: Unexpected end of input';
const UNOPENED = 'SyntaxError: a bracket closes what the script has not opened';

function errorOf(text, filename, lineOffset) {
  try {
    vm.compileFunction(text, [], { filename, lineOffset });
  } catch (error) {
    return error;
  }
  return undefined;
}

function described(error, code, name) {
  const lines = code.split('\n');
  const stack = String(error?.stack).replaceAll(pathOf(name), name);
  const [, head, line, blanks] = SHOWN.exec(stack) ?? [];
  if (!line) return { error: UNOPENED, traceback: UNOPENED };
  if (Number(line) <= lines.length) {
    const summary = `${error.name}: ${error.message}`;
    return {
      error: summary,
      traceback: `${head}\n${summary}`,
      line: Number(line),
      ...(blanks === undefined ? {} : { column: blanks.length + 1 }),
    };
  }
  const last = lines.at(-1);
  return {
    error: END,
    traceback: `${name}:${lines.length}\n${last}\n\n${END}`,
    line: lines.length,
    column: last.length + 1,
  };
}

// {error, traceback, line, column} of such code, the last two if they are known. Only what is
// parsed as nothing but a function's body has its own place. Such a function cannot be
// asynchronous, so an `await` may be what is wrong with it: then it is the place between brackets,
// which of a `}` too many is behind that.
export function problemOf(code, name) {
  const path = pathOf(name);
  const plain = errorOf(code, path, 0);
  if (plain && !/\bawait\b|reserved word/.test(plain.message)) return described(plain, code, name);
  const between = errorOf(`return [async () => {\n${code}\n}]`, path, -1);
  return described(between, code, name);
}
