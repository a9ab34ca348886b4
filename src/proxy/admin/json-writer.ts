// JSON as Envoy prints it, indented by one space, in pieces: long lists are made and written entry by entry.

/** A list whose entries are made while it is written; one that has none is left out. */
export class JsonList<T = unknown> implements Iterable<T> {
  readonly #make: () => Iterable<T>;

  constructor(make: () => Iterable<T>) {
    this.#make = make;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#make()[Symbol.iterator]();
  }
}

/** An object with such lists, or with other such objects. Fields that are undefined are left out. */
export class JsonTree {
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.fields = fields;
  }
}

export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 1);
}

type Change = (value: unknown) => void;

/** The text of a value; `change` sees everything but trees and lists just before it is written. */
export function* jsonPieces(value: unknown, change: Change = () => undefined, depth = 0): Generator<string> {
  if (value instanceof JsonList) yield* listPieces(value, change, depth, '');
  else if (value instanceof JsonTree) yield* treePieces(value, change, depth);
  else {
    change(value);
    yield indented(value, depth);
  }
}

/** With the end of line that Envoy's documents have. */
export function* jsonDocument(value: unknown, change?: Change): Generator<string> {
  yield* jsonPieces(value, change);
  yield '\n';
}

function* treePieces({ fields }: JsonTree, change: Change, depth: number): Generator<string> {
  const pad = ' '.repeat(depth + 1);
  let before = '{';
  for (const [key, inner] of Object.entries(fields)) {
    if (inner === undefined) continue;
    const head = `${before}\n${pad}${JSON.stringify(key)}: `;
    if (inner instanceof JsonList) {
      let isThere = false;
      for (const piece of listPieces(inner, change, depth + 1, head)) {
        isThere = true;
        yield piece;
      }
      if (!isThere) continue;
    } else {
      yield head;
      yield* jsonPieces(inner, change, depth + 1);
    }
    before = ',';
  }
  yield before === '{' ? '{}' : `\n${' '.repeat(depth)}}`;
}

/** Nothing for an empty list behind a head. */
function* listPieces(list: JsonList, change: Change, depth: number, head: string): Generator<string> {
  const pad = ' '.repeat(depth + 1);
  let before = `${head}[`;
  for (const entry of list) {
    yield `${before}\n${pad}`;
    yield* jsonPieces(entry, change, depth + 1);
    before = ',';
  }
  if (before === ',') yield `\n${' '.repeat(depth)}]`;
  else if (head === '') yield '[]';
}

function indented(value: unknown, depth: number): string {
  const text = jsonText(value) ?? 'null';
  return depth === 0 ? text : text.replaceAll('\n', `\n${' '.repeat(depth)}`);
}
