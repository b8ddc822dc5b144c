export interface Named {
  name: string;
}

export enum Kind {
  Good = 'good',
  Bad = 'bad',
}

export function check(kind: Kind): Named {
  if (kind === Kind.Bad) {
    throw new RangeError('no such luck');
  }
  return { name: 'from a second file' };
}
