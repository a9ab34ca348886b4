// What is known of an exchange and its connection, as scripts see it.
import { stringAt } from '../../../../lua/lib/arguments.ts';
import { LuaError, type LuaValue } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import { OBJECT_KINDS } from '../../../filter-state/object-kinds.ts';
import { withPort } from '../../../formatter/address-text.ts';
import { utf8Bytes } from '../../../formatter/byte-text.ts';
import { findFilterState, type Metadata, type StreamInfo } from '../../../stream-info.ts';
import type { FilterStream } from '../../filter.ts';
import { Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';
import { ConnectionMetadataHandle, DynamicMetadataHandle, MetadataHandle } from './metadata-handles.ts';
import { TlsHandle } from './tls-handle.ts';

const FILTER_NAME = 'envoy.filters.http.lua';

export class StreamInfoHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'stream info',
    methods: {
      protocol: (args) => infoOf(args).protocol,
      routeName: (args, vm) => given(vm, infoOf(args).routeName),
      virtualClusterName: (args, vm) => given(vm, infoOf(args).virtualClusterName),
      downstreamDirectLocalAddress: (args) => {
        const { connection } = infoOf(args);
        return withPort(connection.directLocalAddress ?? connection.localAddress);
      },
      downstreamLocalAddress: (args) => withPort(infoOf(args).connection.localAddress),
      downstreamDirectRemoteAddress: (args) => withPort(infoOf(args).connection.directRemoteAddress),
      downstreamRemoteAddress: (args) => withPort(infoOf(args).remoteAddress),
      requestedServerName: (args, vm) => given(vm, infoOf(args).connection.requestedServerName),
      downstreamSslConnection: (args) => {
        const { owner, stream } = selfOf(args, StreamInfoHandle);
        const { tls } = stream.info.connection;
        return [tls === null ? undefined : new TlsHandle(owner, tls)];
      },
      drainConnectionUponCompletion: (args) => {
        infoOf(args).drainsConnection = true;
        return [];
      },
      dynamicMetadata: (args) => {
        const { owner, stream } = selfOf(args, StreamInfoHandle);
        return new DynamicMetadataHandle(owner, stream.info);
      },
      // Nothing here writes metadata as messages: there is none of any filter.
      dynamicTypedMetadata: (args) => {
        selfOf(args, StreamInfoHandle);
        stringAt(args, 1);
        return [undefined];
      },
      filterState: (args) => {
        const { owner, stream } = selfOf(args, StreamInfoHandle);
        return new FilterStateHandle(owner, stream.info);
      },
    },
  };

  readonly stream: FilterStream;

  constructor(owner: Owner, stream: FilterStream) {
    super(StreamInfoHandle.kind, owner);
    this.stream = stream;
  }
}

function infoOf(args: LuaValue[]): StreamInfo {
  return selfOf(args, StreamInfoHandle).stream.info;
}

function given(vm: Vm, text: string): string {
  const bytes = utf8Bytes(text);
  vm.allocateString(bytes.length);
  return bytes;
}

class FilterStateHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'filter state',
    methods: {
      get: (args, vm) => {
        const { info } = selfOf(args, FilterStateHandle);
        const object = findFilterState(info, stringAt(args, 1));
        if (object === undefined || object.isOpaque === true) return [undefined];
        if (args[2] === undefined) return [given(vm, object.value)];
        const name = stringAt(args, 2);
        const { fields } = object;
        const field = fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined;
        if (field === undefined) return [];
        return [typeof field === 'number' ? field : given(vm, field)];
      },
      set: (args) => {
        const { info } = selfOf(args, FilterStateHandle);
        const key = stringAt(args, 1);
        const factory = stringAt(args, 2);
        const value = stringAt(args, 3);
        const kind = OBJECT_KINDS.get(factory);
        if (kind === undefined) throw new LuaError(`'${factory}' does not have an object factory`, true);
        const made = kind(value);
        if (made === null) throw new LuaError(`failed to create an object '${key}' from value '${value}'`, true);
        info.filterState ??= new Map();
        info.filterState.set(key, { ...made, isReadOnly: false, lifeSpan: 'filter-chain' });
        return [];
      },
    },
  };

  readonly info: StreamInfo;

  constructor(owner: Owner, info: StreamInfo) {
    super(FilterStateHandle.kind, owner);
    this.info = info;
  }
}

export class ConnectionHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'connection',
    methods: {
      ssl: (args) => {
        const { owner, info } = selfOf(args, ConnectionHandle);
        const { tls } = info.connection;
        return [tls === null ? undefined : new TlsHandle(owner, tls)];
      },
    },
  };

  readonly info: StreamInfo;

  constructor(owner: Owner, info: StreamInfo) {
    super(ConnectionHandle.kind, owner);
    this.info = info;
  }
}

export class ConnectionInfoHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'connection stream info',
    methods: {
      dynamicMetadata: (args) => {
        const { owner, info } = selfOf(args, ConnectionInfoHandle);
        return new ConnectionMetadataHandle(owner, info);
      },
      dynamicTypedMetadata: (args) => {
        selfOf(args, ConnectionInfoHandle);
        stringAt(args, 1);
        return [undefined];
      },
    },
  };

  readonly info: StreamInfo;

  constructor(owner: Owner, info: StreamInfo) {
    super(ConnectionInfoHandle.kind, owner);
    this.info = info;
  }
}

/** A virtual host or a route, which tell their metadata. */
export class ConfiguredHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'configuration',
    methods: {
      metadata: (args) => {
        const { owner, all, filterName } = selfOf(args, ConfiguredHandle);
        return new MetadataHandle(owner, filterMetadata(all, filterName));
      },
    },
  };

  readonly all: Metadata | null;
  readonly filterName: string;

  constructor(owner: Owner, all: Metadata | null, filterName: string) {
    super(ConfiguredHandle.kind, owner);
    this.all = all;
    this.filterName = filterName;
  }
}

const NOTHING = Object.freeze({});

/** What is there for the filter by its name in the chain, or else by the filter's own. */
export function filterMetadata(all: Metadata | null | undefined, name: string): Readonly<Record<string, unknown>> {
  return all?.get(name) ?? all?.get(FILTER_NAME) ?? NOTHING;
}
