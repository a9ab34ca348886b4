// Signatures and encodings for scripts.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { numberAt, stringAt } from '../../../../lua/lib/arguments.ts';
import { LuaError, type LuaValue } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import { cStringAt, Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';

const HASHES: ReadonlySet<string> = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
/** A check of a signature costs as much as so many instructions, about. */
const VERIFY_COST = 10_000;

export class PublicKeyHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'public key',
    methods: {
      get: (args) => {
        const { der } = selfOf(args, PublicKeyHandle);
        return [der === '' ? undefined : der];
      },
    },
  };

  /** '' when it is no key. */
  readonly der: string;

  constructor(owner: Owner, der: string) {
    super(PublicKeyHandle.kind, owner);
    this.der = der;
  }
}

/** The keys of a run, by their bytes. */
export type Keys = Map<string, KeyObject>;

/** A key is called by its bytes up to the first NUL, as in Envoy, which takes them for a C string. */
export function importKey(args: LuaValue[], vm: Vm, owner: Owner, keys: Keys): PublicKeyHandle {
  const length = Math.max(0, numberAt(args, 2));
  const der = stringAt(args, 1).slice(0, length);
  const name = cStringAt(args, 1);
  vm.spend(VERIFY_COST / 10);
  try {
    keys.set(name.slice(0, length), createPublicKey({ key: Buffer.from(der, 'latin1'), format: 'der', type: 'spki' }));
    return new PublicKeyHandle(owner, name);
  } catch {
    return new PublicKeyHandle(owner, '');
  }
}

export function verifySignature(args: LuaValue[], vm: Vm, keys: Keys): LuaValue[] {
  const hash = stringAt(args, 1);
  const key = keys.get(cStringAt(args, 2));
  if (key === undefined) throw new LuaError('invalid public key', true);
  const signature = bytesAt(args, 3);
  const text = bytesAt(args, 5);
  vm.spend(VERIFY_COST + (text.length >> 4));
  const algorithm = hash.toLowerCase();
  if (!HASHES.has(algorithm)) return [false, `${hash} is not supported.`];
  try {
    if (verify(algorithm, text, key, signature)) return [true, undefined];
  } catch {
    // A key of another kind than for signatures.
  }
  return [false, 'Failed to verify digest. Error code: 0'];
}

/** Text and how much of it counts. */
function bytesAt(args: LuaValue[], at: number): Buffer {
  const text = stringAt(args, at);
  return Buffer.from(text.slice(0, Math.max(0, numberAt(args, at + 1))), 'latin1');
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Null when it is no base64; padding may be left out. */
export function decodeBase64(text: string): string | null {
  const plain = text.replace(/[ \t\r\n\f\v]/g, '');
  const digits = plain.replace(/=+$/, '').length;
  if (!BASE64.test(plain) || digits % 4 === 1) return null;
  if (plain.length !== digits && plain.length % 4 !== 0) return null;
  return Buffer.from(plain, 'base64').toString('latin1');
}
