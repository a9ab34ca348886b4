// Headers and trailers as scripts see them.
import { integerAt, stringAt } from '../../../../lua/lib/arguments.ts';
import { LuaError, type LuaValue, NativeFunction } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import { H, headerKey, type HeaderKey } from '../../../../wire/header-names.ts';
import { type Headers, isSendable } from '../../../../wire/headers.ts';
import { addField, isInline, type MessageSide } from '../header-mutation/inline-headers.ts';
import { cStringAt, Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';

/** A run, which says when headers may be changed. */
export type Modifier = Owner & { mayModify(headers: Headers): boolean };

export class HeadersHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'headers',
    methods: {
      add: (args) => {
        const { headers, side } = modifiable(args);
        const [key, value] = fieldAt(args);
        const isPseudo = typeof key === 'number' && key < H.host;
        if (isPseudo && key !== H[':status'] && headers.has(key)) headers.set(key, `${headers.get(key)},${value}`);
        else addField(headers, key, value, isInline(key, side));
        return [];
      },
      get: (args, vm) => {
        const { headers } = selfOf(args, HeadersHandle);
        return given(vm, headers.getAll(keyAt(args)));
      },
      getAtIndex: (args, vm) => {
        const { headers } = selfOf(args, HeadersHandle);
        const key = keyAt(args);
        const index = integerAt(args, 2);
        return index < 0 ? [] : given(vm, valuesOf(headers, key)[index]);
      },
      getNumValues: (args) => valuesOf(selfOf(args, HeadersHandle).headers, keyAt(args)).length,
      remove: (args) => {
        const { headers } = modifiable(args);
        headers.remove(headerKey(lowerKey(cStringAt(args, 1))));
        return [];
      },
      replace: (args) => {
        const { headers } = modifiable(args);
        const [key, value] = fieldAt(args);
        headers.set(key, value);
        return [];
      },
      setHttp1ReasonPhrase: (args) => {
        const { headers, side } = modifiable(args);
        const phrase = stringAt(args, 1);
        if (!isSendable(phrase)) throw new LuaError('the reason phrase holds a character that no head can carry', true);
        if (side === 'response') headers.reason = phrase;
        return [];
      },
      __pairs: (args) => pairs(selfOf(args, HeadersHandle)),
    },
  };

  readonly headers: Headers;
  readonly side: MessageSide;
  readonly #run: Modifier;
  isIterated = false;

  constructor(run: Modifier, headers: Headers, side: MessageSide) {
    super(HeadersHandle.kind, run);
    this.headers = headers;
    this.side = side;
    this.#run = run;
  }

  checkModifiable(): void {
    if (this.isIterated) throw new LuaError('header map cannot be modified while iterating', true);
    if (!this.#run.mayModify(this.headers)) throw new LuaError('header map can no longer be modified', true);
  }
}

function modifiable(args: LuaValue[]): HeadersHandle {
  const handle = selfOf(args, HeadersHandle);
  handle.checkModifiable();
  return handle;
}

const UPPER = /[A-Z]/;

function lowerKey(name: string): string {
  const lower = UPPER.test(name) ? name.toLowerCase() : name;
  return lower === 'host' ? ':authority' : lower;
}

function keyAt(args: LuaValue[]): HeaderKey {
  return headerKey(lowerKey(cStringAt(args, 1)));
}

/** RFC 9110 §5.6.2, and pseudo-headers. */
const TOKEN = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Name and value of a field that a message can carry. */
export function checkField(name: string, value: string): void {
  if (!TOKEN.test(name)) throw new LuaError(`'${name}' is no name of a header`, true);
  if (!isSendable(value)) throw new LuaError(`the value of '${name}' holds a character that no header can carry`, true);
}

function fieldAt(args: LuaValue[]): [HeaderKey, string] {
  const name = lowerKey(cStringAt(args, 1));
  const value = cStringAt(args, 2);
  checkField(name, value);
  if (name === ':status' && !/^[1-9]\d\d$/.test(value)) throw new LuaError(`'${value}' is no status`, true);
  return [headerKey(name), value];
}

function given(vm: Vm, value: string | undefined): LuaValue[] {
  if (value === undefined) return [];
  vm.allocateString(value.length);
  return [value];
}

function valuesOf(headers: Headers, key: HeaderKey): string[] {
  const pseudo = typeof key === 'number' && key < H.host;
  if (pseudo) {
    const value = headers.get(key);
    return value === undefined ? [] : [value];
  }
  const { kv } = headers;
  const values: string[] = [];
  for (let i = 0; i < kv.length; i += 2) if (kv[i] === key) values.push(kv[i + 1] as string);
  return values;
}

/** The fields as they were when it began; until its end nothing may be changed. */
function pairs(handle: HeadersHandle): LuaValue[] {
  if (handle.isIterated) throw new LuaError('cannot create a second iterator before completing the first', true);
  handle.isIterated = true;
  const fields: string[] = [];
  handle.headers.forEach((name, value) => fields.push(name, value));
  let at = 0;
  const step = new NativeFunction('headers', (_args: LuaValue[], vm: Vm) => {
    if (!handle.isLive) throw new LuaError('object used outside of proper scope', true);
    if (at >= fields.length) {
      handle.isIterated = false;
      return [];
    }
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    at += 2;
    vm.allocateString(name.length + value.length);
    return [name, value];
  });
  return [step];
}
