// A script's own request to a cluster: what httpCall() takes and gives.
import { integerAt, optionalStringAt, stringAt, tableAt } from '../../../../lua/lib/arguments.ts';
import { numberText } from '../../../../lua/number-text.ts';
import { toNumber } from '../../../../lua/operators.ts';
import { ArgumentError, LuaError, LuaTable, type LuaValue, typeName } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import { headerKey } from '../../../../wire/header-names.ts';
import { Headers } from '../../../../wire/headers.ts';
import type { BufferedResponse } from '../../../cluster/upstream-client/buffered-request.ts';
import { checkField } from './headers-handle.ts';

export type CallRequest = {
  readonly cluster: string;
  readonly headers: Headers;
  /** Empty for none. */
  readonly body: Buffer;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly isAsynchronous: boolean;
  readonly returnsDuplicates: boolean;
  readonly sendsXff: boolean;
};

const NO_BODY = Buffer.alloc(0);
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

type Options = { timeoutMs: number; isAsynchronous: boolean; returnsDuplicates: boolean; sendsXff: boolean };

/** The arguments of a call, from the handle on. `hasCluster` says whether a cluster is there. */
export function readCall(args: LuaValue[], vm: Vm, hasCluster: (name: string) => boolean): CallRequest {
  const options = args[4] instanceof LuaTable ? tableOptions(args[4]) : positionalOptions(args);
  const cluster = stringAt(args, 1);
  const fields = tableAt(args, 2);
  const text = optionalStringAt(args, 3);
  if (!hasCluster(cluster)) throw new LuaError('http call cluster invalid. Must be configured', true);
  const headers = headersFrom(fields, vm);
  if (headers.path === '' || headers.method === '' || headers.authority === '') {
    throw new LuaError("http call headers must include ':path', ':method', and ':authority'", true);
  }
  if (headers.scheme === '') headers.scheme = 'http';
  if (text !== undefined) headers.set(headerKey('content-length'), String(text.length));
  const body = text === undefined ? NO_BODY : Buffer.from(text, 'latin1');
  return { ...options, cluster, headers, body };
}

function positionalOptions(args: LuaValue[]): Options {
  if (args.length > 5 && typeof args[5] !== 'boolean') {
    throw new LuaError("http call asynchronous flag must be 'true', 'false', or empty", true);
  }
  const timeoutMs = checkTimeout(integerAt(args, 4));
  return { timeoutMs, isAsynchronous: args[5] === true, returnsDuplicates: false, sendsXff: true };
}

function tableOptions(table: LuaTable): Options {
  const options: Options = { timeoutMs: 0, isAsynchronous: false, returnsDuplicates: false, sendsXff: true };
  for (let place = table.nextPlace(undefined); place >= 0; ) {
    const key = table.keyAt(place);
    const value = table.valueAt(place);
    const isOn = value !== undefined && value !== false;
    if (key === 'asynchronous') options.isAsynchronous = isOn;
    else if (key === 'timeout_ms') options.timeoutMs = checkTimeout(timeoutOf(value));
    else if (key === 'return_duplicate_headers') options.returnsDuplicates = isOn;
    else if (key === 'send_xff') options.sendsXff = isOn;
    // Calls of scripts have no spans.
    else if (key !== 'trace_sampled')
      throw new LuaError(`"${keyText(key)}" is not valid key for httpCall() options`, true);
    place = table.nextPlace(key);
  }
  return options;
}

function keyText(key: LuaValue): string {
  return typeof key === 'string' ? key : typeof key === 'number' ? numberText(key) : typeName(key);
}

function timeoutOf(value: LuaValue): number {
  const n = toNumber(value);
  if (n === undefined) throw new ArgumentError(5, `number expected, got ${typeName(value)}`);
  return Math.trunc(n);
}

function checkTimeout(ms: number): number {
  if (ms < 0) throw new LuaError('http call timeout must be >= 0', true);
  return Math.min(ms, MAX_TIMEOUT_MS);
}

/** A table of names and values, where a value may be a list of them. */
export function headersFrom(table: LuaTable, vm: Vm): Headers {
  const headers = new Headers();
  for (let place = table.nextPlace(undefined); place >= 0; ) {
    const key = table.keyAt(place);
    const value = table.valueAt(place);
    const name = textOf(key, 'string').toLowerCase();
    if (value instanceof LuaTable) {
      for (let at = value.nextPlace(undefined); at >= 0; ) {
        const inner = value.keyAt(at);
        addField(headers, name, textOf(value.valueAt(at), 'string'));
        at = value.nextPlace(inner);
      }
    } else {
      addField(headers, name, textOf(value, 'string'));
    }
    vm.spend(2);
    place = table.nextPlace(key);
  }
  return headers;
}

function textOf(value: LuaValue, wanted: string): string {
  if (typeof value === 'string') return value.split('\0', 1)[0] as string;
  if (typeof value === 'number') return numberText(value);
  throw new ArgumentError(3, `${wanted} expected, got ${typeName(value)}`);
}

function addField(headers: Headers, name: string, value: string): void {
  checkField(name, value);
  if (name === 'host') headers.add(headerKey(':authority'), value);
  else headers.add(headerKey(name), value);
}

/** What the script gets: a table of headers, and the body or nil. */
export function callResults(vm: Vm, response: BufferedResponse | null, returnsDuplicates: boolean): LuaValue[] {
  const table = vm.newTable();
  if (response === null) {
    vm.setRaw(table, ':status', '503');
    return [table, 'upstream failure'];
  }
  response.headers.forEach((key, value) => {
    vm.allocateString(value.length);
    const before = returnsDuplicates ? table.get(key) : undefined;
    if (before instanceof LuaTable) {
      vm.setRaw(before, before.length + 1, value);
    } else if (before !== undefined) {
      const values = vm.newTable();
      vm.fill(values, 1, [before, value]);
      vm.setRaw(table, key, values);
    } else {
      vm.setRaw(table, key, value);
    }
  });
  vm.allocateString(response.body.length);
  return [table, response.body.length === 0 ? undefined : response.body.toString('latin1')];
}
