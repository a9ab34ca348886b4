// The object that a script's function is called with.
import { parseIp } from '../../../../base/ip.ts';
import { optionalStringAt, stringAt, tableAt } from '../../../../lua/lib/arguments.ts';
import { toNumber } from '../../../../lua/operators.ts';
import { LuaError, type LuaValue, typeName, ArgumentError } from '../../../../lua/values.ts';
import { decodeBase64, importKey, verifySignature } from './crypto.ts';
import { Handle, type HandleKind, selfOf } from '../../../lua/handle.ts';
import { HeadersHandle } from './headers-handle.ts';
import { readCall } from './http-call.ts';
import {
  ConfiguredHandle,
  ConnectionHandle,
  ConnectionInfoHandle,
  filterMetadata,
  StreamInfoHandle,
} from './info-handles.ts';
import { MetadataHandle } from './metadata-handles.ts';
import type { Run } from './run.ts';
import { StatsHandle } from './stats-handles.ts';

export class StreamHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'stream handle',
    methods: {
      headers: (args) => runOf(args).headersHandle(),
      requestHeaders: (args) => {
        const run = runOf(args);
        if (run.isRequest) return run.headersHandle();
        return run.once('requestHeaders', () => new HeadersHandle(run, run.stream.requestHeaders, 'request'));
      },
      body: (args) => {
        const run = runOf(args);
        if (args.length > 1 && typeof args[1] !== 'boolean') {
          throw new ArgumentError(2, `boolean expected, got ${typeName(args[1])}`);
        }
        return run.body(args[1] === true);
      },
      bodyChunks: (args) => runOf(args).bodyChunks(),
      trailers: (args) => runOf(args).trailers(),
      httpCall: (args, vm) => {
        const run = runOf(args);
        return run.httpCall(readCall(args, vm, (name) => run.filter.hasCluster(name)));
      },
      respond: (args) => {
        const run = runOf(args);
        return run.respond(tableAt(args, 1), optionalStringAt(args, 2));
      },
      metadata: (args) => {
        const run = runOf(args);
        return run.once(
          'metadata',
          () => new MetadataHandle(run, filterMetadata(run.stream.route?.metadata, run.filter.name)),
        );
      },
      filterContext: (args) => {
        const run = runOf(args);
        return run.once('filterContext', () => new MetadataHandle(run, run.filter.contextOf(run.stream)));
      },
      virtualHost: (args) => {
        const run = runOf(args);
        const isFound = run.stream.route !== null;
        return run.once(
          'virtualHost',
          () => new ConfiguredHandle(run, isFound ? run.stream.info.virtualHostMetadata : null, run.filter.name),
        );
      },
      route: (args) => {
        const run = runOf(args);
        return run.once('route', () => new ConfiguredHandle(run, run.stream.route?.metadata ?? null, run.filter.name));
      },
      streamInfo: (args) => {
        const run = runOf(args);
        return run.once('streamInfo', () => new StreamInfoHandle(run, run.stream));
      },
      connection: (args) => {
        const run = runOf(args);
        return run.once('connection', () => new ConnectionHandle(run, run.stream.info));
      },
      connectionStreamInfo: (args) => {
        const run = runOf(args);
        return run.once('connectionStreamInfo', () => new ConnectionInfoHandle(run, run.stream.info));
      },
      stats: (args) => {
        const run = runOf(args);
        return run.once('stats', () => new StatsHandle(run, run.filter.scriptStats()));
      },
      setUpstreamOverrideHost: (args) => {
        const run = runOf(args);
        const address = stringAt(args, 1);
        if (!isIpHost(address)) throw new LuaError('host is not a valid IP address', true);
        if (args.length > 2 && typeof args[2] !== 'boolean') {
          throw new ArgumentError(3, `boolean expected, got ${typeName(args[2])}`);
        }
        run.stream.info.wantedHost = { address, isStrict: args[2] === true, missingStatus: 503 };
        return [];
      },
      clearRouteCache: (args) => {
        const run = runOf(args);
        if (run.isRequest) run.stream.clearRouteCache();
        return [];
      },
      importPublicKey: (args, vm) => {
        const run = runOf(args);
        return run.once('publicKey', () => importKey(args, vm, run, run.keys));
      },
      verifySignature: (args, vm) => verifySignature(args, vm, runOf(args).keys),
      base64Escape: (args, vm) => {
        runOf(args);
        const text = stringAt(args, 1);
        vm.allocateString(text.length * 2);
        return Buffer.from(text, 'latin1').toString('base64');
      },
      base64Decode: (args, vm) => {
        runOf(args);
        const text = stringAt(args, 1);
        vm.allocateString(text.length);
        return [decodeBase64(text) ?? undefined];
      },
      timestamp: (args) => {
        const run = runOf(args);
        if (resolutionAt(args) !== 0) throw new LuaError('timestamp format must be MILLISECOND.', true);
        return Math.floor(run.stream.clock.wallMs);
      },
      timestampString: (args) => {
        const run = runOf(args);
        const resolution = resolutionAt(args);
        const ms = run.stream.clock.wallMs;
        if (resolution === 0) return String(Math.floor(ms));
        if (resolution === 1) return String(Math.floor(ms * 1000));
        throw new LuaError('timestamp format must be MILLISECOND or MICROSECOND.', true);
      },
    },
  };

  readonly run: Run;

  constructor(run: Run) {
    super(StreamHandle.kind, run);
    this.run = run;
  }

  /** Good for the whole run, whenever that goes on. */
  override get isLive(): boolean {
    return this.run.isLive;
  }
}

function runOf(args: LuaValue[]): Run {
  return selfOf(args, StreamHandle).run;
}

/** '1.2.3.4', '1.2.3.4:80', '[::1]:80'. */
function isIpHost(host: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(host);
  if (match === null) return false;
  const address = match[1] ?? match[2] ?? '';
  return parseIp(address) !== null && address.includes(':') === (match[1] !== undefined);
}

/** 0 when none is given; NaN for what is none. */
function resolutionAt(args: LuaValue[]): number {
  if (args[1] === undefined) return 0;
  const text = stringAt(args, 1);
  if (text === '') return 0;
  return toNumber(text) ?? Number.NaN;
}
