// Seeded mutations of bytes and of JSON values for the protobuf fuzz targets, and the loop that runs them.
import { readdirSync, readFileSync } from 'node:fs';

import type { MessageMaker } from './proto-oracle.ts';

/** Limits of a run: from arguments (`--seconds=60 --seed=7`) or the environment, else short. */
export function fuzzLimits(defaultSeconds: number): { seconds: number; seed: number } {
  const given = (name: string): number | undefined => {
    const argument = process.argv.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3);
    const text = argument ?? process.env[`HEDDLE_FUZZ_${name.toUpperCase()}`];
    return text === undefined ? undefined : Number(text);
  };
  return { seconds: given('seconds') ?? defaultSeconds, seed: given('seed') ?? 1 };
}

/** The files of a corpus folder: `NAME.TYPE.ext`, where TYPE is a full message name. */
export function readCorpus(folder: string): { type: string; bytes: Buffer }[] {
  const url = new URL(`./corpus/${folder}/`, import.meta.url);
  return readdirSync(url)
    .sort()
    .map((name) => ({
      type: name.split('.').slice(1, -1).join('.'),
      bytes: readFileSync(new URL(name, url)),
    }));
}

/** One to four random edits of `bytes`: flips, cuts, repeats, insertions of awkward pieces. */
export function mutateBytes(bytes: Uint8Array, maker: MessageMaker): Uint8Array {
  let list = [...bytes];
  for (let edits = 1 + maker.below(4); edits > 0; edits--) {
    const at = maker.below(list.length + 1);
    switch (maker.below(6)) {
      case 0:
        if (at < list.length) list[at] = maker.below(256);
        break;
      case 1:
        if (at < list.length) list[at] = (list[at] as number) ^ (1 << maker.below(8));
        break;
      case 2:
        list = list.slice(0, at);
        break;
      case 3:
        list.splice(at, 1 + maker.below(4));
        break;
      case 4:
        list.splice(at, 0, ...list.slice(at, at + maker.below(40)));
        break;
      default:
        list.splice(at, 0, ...maker.pick(AWKWARD_BYTES));
    }
  }
  return Uint8Array.from(list);
}

const AWKWARD_BYTES: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0x0b],
  [0x0c],
  [0x00],
  [0xc3, 0x28],
  [0xed, 0xa0, 0x80],
  [0x0a, 0x00],
  [0xfa, 0xff, 0xff, 0xff, 0x0f, 0x01, 0x61],
];

const AWKWARD_VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e300,
    2 ** 53,
    -(2 ** 31) - 1,
    2 ** 32,
    '',
    'a',
    '\ud800',
    '1',
    '1.0',
    '1e3',
    ' 1',
  ],
  ...['0x10', '1_0', 'NaN', 'Infinity', '18446744073709551616', '9'.repeat(500), 'YQ==', 'YQ', '+/-_', '!'],
  ...['1s', '-1.5s', '1.0000000001s', '315576000001s', '2026-01-01T00:00:00Z', '9999-12-31T23:59:60Z', 'a.b,c_d', '{}'],
  ...[[], {}, [[]], [null], { '@type': 'type.googleapis.com/google.protobuf.Any' }, { '@type': 5 }, { '': {} }],
  { '@type': 'type.googleapis.com/google.protobuf.Value', value: null },
  { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', type_url: 'x/google.protobuf.Struct', value: { a: 1 } },
];

/** A copy of `json` with one to three values replaced, removed, doubled, renamed or wrapped. */
export function mutateJson(json: unknown, maker: MessageMaker): unknown {
  let copy = structuredClone(json);
  for (let edits = 1 + maker.below(3); edits > 0; edits--) copy = mutateAt(copy, maker, 0);
  return copy;
}

function mutateAt(json: unknown, maker: MessageMaker, depth: number): unknown {
  const descend = typeof json === 'object' && json !== null && maker.below(4 + depth) < 4;
  if (!descend) {
    if (maker.below(3) === 0) return { [maker.pick(['value', 'a', '@type', 'seconds'])]: json };
    return structuredClone(maker.pick(AWKWARD_VALUES));
  }
  if (Array.isArray(json)) {
    const at = maker.below(json.length);
    if (maker.below(4) === 0) return [...json, ...structuredClone(json.slice(at))];
    if (json.length > 0) json[at] = mutateAt(json[at], maker, depth + 1);
    return json;
  }
  const object = json as { [key: string]: unknown };
  const keys = Object.keys(object);
  if (keys.length === 0) return { name: maker.pick(AWKWARD_VALUES) };
  const key = maker.pick(keys);
  switch (maker.below(6)) {
    case 0:
      delete object[key];
      return object;
    case 1:
      object[maker.pick(['nope', '__proto__x', 'constructor', key.toUpperCase(), snakeOf(key)])] = structuredClone(
        object[key],
      );
      return object;
    default:
      object[key] = mutateAt(object[key], maker, depth + 1);
      return object;
  }
}

function snakeOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
