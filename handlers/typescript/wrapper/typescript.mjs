// TypeScript, as script.mjs wants a language. What runs is JavaScript that was compiled before, so
// that a run costs what JavaScript costs: the compiler (esbuild.mjs) is loaded if something is to be
// compiled, and the map from lines to the user's lines is decoded when an error shows them.
import { SourceMap } from 'node:module';

import { load, pathOf, showUsersTraces } from './script.mjs';

export const file = 'script.ts';

// The script is the body of this function, behind its own imports. An assignment would give the
// function a name, which every trace would show. In square brackets, so that a script that closes
// a round one too many is an error at that place. HEAD keeps its length: what was compiled with
// another one is still run.
export const HEAD = ';Reflect.set(exports, "body",[async () => {';
export const TAIL = '\n}][0])';
// What was compiled is JavaScript whose last line is this and {at, mappings} as JSON: `at` is the
// line and the column where HEAD was put, the lines of a map begin with 0.
const MAP = '\n//# faas ';

export const withMap = (text, at, mappings) => `${text}${MAP}${JSON.stringify({ at, mappings })}`;

export async function compile(code, name) {
  return (await import('./esbuild.mjs')).compile(code, name);
}

// The user's place of one in the text that the compiler was given. Both begin with 0.
export function usersPlace(line, column, at) {
  const behind = line === at.line && column >= at.column;
  return { line, column: behind ? Math.max(column - HEAD.length, at.column) : column };
}

function mapOf(compiled) {
  const start = compiled.lastIndexOf(MAP);
  if (start < 0) return undefined;
  const { at, mappings } = JSON.parse(compiled.slice(start + MAP.length));
  return { at, map: new SourceMap({ version: 3, sources: [file], names: [], mappings }) };
}

// A function of a place, in both as people count: the user's, or the same if there is none.
export function placesOf(compiled) {
  let decoded;
  return (line, column) => {
    decoded ??= mapOf(compiled) ?? { map: { findEntry: () => ({}) } };
    const found = decoded.map.findEntry(line - 1, column - 1);
    if (found.originalLine === undefined) return { line, column };
    const place = usersPlace(found.originalLine, found.originalColumn, decoded.at);
    return { line: place.line + 1, column: place.column + 1 };
  };
}

export function functionOf(compiled, name) {
  showUsersTraces(pathOf(name), placesOf(compiled));
  return load(compiled, name).body;
}
