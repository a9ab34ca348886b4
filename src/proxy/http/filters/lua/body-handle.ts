// A body, or a piece of one, as scripts see it.
import { integerAt, stringAt } from '../../../../lua/lib/arguments.ts';
import { LuaError } from '../../../../lua/values.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';

/** Where the bytes are. */
export type Bytes = {
  readonly length: number;
  /** Bytes [from, from + count) as text. */
  text(from: number, count: number): string;
  replace(bytes: Buffer): void;
};

export class BodyHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'buffer',
    methods: {
      length: (args) => selfOf(args, BodyHandle).bytes.length,
      getBytes: (args, vm) => {
        const { bytes } = selfOf(args, BodyHandle);
        const from = integerAt(args, 1);
        const count = integerAt(args, 2);
        if (from < 0 || count < 0 || from + count > bytes.length) {
          throw new LuaError('index/length must be >= 0 and (index + length) must be <= buffer size', true);
        }
        vm.allocateString(count);
        return bytes.text(from, count);
      },
      setBytes: (args) => {
        const { bytes, headers } = selfOf(args, BodyHandle);
        bytes.replace(Buffer.from(stringAt(args, 1), 'latin1'));
        headers.set(H['content-length'], String(bytes.length));
        return bytes.length;
      },
    },
  };

  readonly bytes: Bytes;
  /** Of the message, which say how long it is. */
  readonly headers: Headers;

  constructor(owner: Owner, bytes: Bytes, headers: Headers) {
    super(BodyHandle.kind, owner);
    this.bytes = bytes;
    this.headers = headers;
  }
}
