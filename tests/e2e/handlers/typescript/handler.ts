// Files, a package and a path of tsconfig.json that import each other, in each way.
import leftPad from 'left-pad';

import { separator } from '#third';
import { check, Kind, type Named } from './second';
import type { Context } from './no-such-file';

const loaded: typeof import('./second') = await import('./second.js');

export default async (event: string, context: Context): Promise<object> => {
  const named: Named = check(event === 'fail' ? loaded.Kind.Bad : Kind.Good);
  return {
    file: named.name,
    path: context.path satisfies string,
    package: leftPad('7', 3, '0'),
    required: require('node:path').sep === separator,
  };
};
