// Metadata of configuration, of the exchange and of its connection as scripts see it.
import { LuaError, type LuaValue, NativeFunction } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import { cStringAt, Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';
import { toText } from '../../../lua/text.ts';
import { fromLua, tableToLua, toLua } from './metadata-values.ts';

type Fields = Readonly<Record<string, unknown>>;

/** One namespace of metadata; it cannot be changed. */
export class MetadataHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'metadata',
    methods: {
      get: (args, vm) => {
        const { fields } = selfOf(args, MetadataHandle);
        const key = toText(cStringAt(args, 1));
        return Object.hasOwn(fields, key) ? [toLua(vm, fields[key])] : [];
      },
      __pairs: (args) => {
        const handle = selfOf(args, MetadataHandle);
        return iterate(handle, Object.entries(handle.fields), toLua);
      },
    },
  };

  readonly fields: Fields;
  isIterated = false;

  constructor(owner: Owner, fields: Fields) {
    super(MetadataHandle.kind, owner);
    this.fields = fields;
  }
}

/** All namespaces of what exchanges write. */
export class DynamicMetadataHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'dynamic metadata',
    methods: {
      get: (args, vm) => {
        const fields = selfOf(args, DynamicMetadataHandle).info.dynamicMetadata?.get(toText(cStringAt(args, 1)));
        return fields === undefined ? [] : [tableToLua(vm, fields)];
      },
      set: (args, vm) => {
        const handle = selfOf(args, DynamicMetadataHandle);
        if (handle.isIterated) throw new LuaError('dynamic metadata map cannot be modified while iterating', true);
        const namespace = toText(cStringAt(args, 1));
        const key = toText(cStringAt(args, 2));
        const value = fromLua(vm, args[3]);
        handle.info.setMetadata(namespace, { [key]: value });
        return [];
      },
      __pairs: (args) => {
        const handle = selfOf(args, DynamicMetadataHandle);
        return iterate(handle, [...(handle.info.dynamicMetadata ?? [])], tableToLua);
      },
    },
  };

  readonly info: StreamInfo;
  isIterated = false;

  constructor(owner: Owner, info: StreamInfo) {
    super(DynamicMetadataHandle.kind, owner);
    this.info = info;
  }
}

/** What the connection's filters wrote. */
export class ConnectionMetadataHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'connection dynamic metadata',
    methods: {
      get: (args, vm) => {
        const { info } = selfOf(args, ConnectionMetadataHandle);
        const fields = info.connection.dynamicMetadata?.get(toText(cStringAt(args, 1)));
        return fields === undefined ? [] : [tableToLua(vm, fields)];
      },
      __pairs: (args) => {
        const handle = selfOf(args, ConnectionMetadataHandle);
        return iterate(handle, [...(handle.info.connection.dynamicMetadata ?? [])], tableToLua);
      },
    },
  };

  readonly info: StreamInfo;
  isIterated = false;

  constructor(owner: Owner, info: StreamInfo) {
    super(ConnectionMetadataHandle.kind, owner);
    this.info = info;
  }
}

function iterate<T>(
  handle: Handle & { isIterated: boolean },
  entries: readonly (readonly [string, T])[],
  convert: (vm: Vm, value: T) => LuaValue,
): LuaValue[] {
  if (handle.isIterated) throw new LuaError('cannot create a second iterator before completing the first', true);
  handle.isIterated = true;
  let at = 0;
  const step = new NativeFunction('metadata', (_args: LuaValue[], vm: Vm) => {
    if (!handle.isLive) throw new LuaError('object used outside of proper scope', true);
    const entry = entries[at++];
    if (entry === undefined) {
      handle.isIterated = false;
      return [];
    }
    return [toLua(vm, entry[0]), convert(vm, entry[1])];
  });
  return [step];
}
