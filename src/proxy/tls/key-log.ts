// Key logs: lines in NSS format of connections between the configured addresses, to the files that access logs use.
import type { Address } from '../../base/byte-stream.ts';
import { CidrSet } from '../../base/ip.ts';
import type { CommonTlsConfig } from './tls-config.ts';

/** Files by path, opened for appending and bounded; a text says why one cannot be. AccessLogFiles is one. */
export type KeyLogFiles = { open(path: string): { write(line: string): void } | string };

type Ends = { readonly localAddress: Address; readonly remoteAddress: Address };

export class KeyLog {
  readonly #file: { write(line: string): void } | null;
  readonly #local: CidrSet | null;
  readonly #remote: CidrSet | null;

  /** A file that cannot be opened was refused when the configuration was decoded; one that vanished since is silent. */
  constructor(config: NonNullable<CommonTlsConfig['keyLog']>, files: KeyLogFiles) {
    const opened = files.open(config.path);
    this.#file = typeof opened === 'string' ? null : opened;
    this.#local = config.local.length === 0 ? null : new CidrSet(config.local);
    this.#remote = config.remote.length === 0 ? null : new CidrSet(config.remote);
  }

  /** Where a connection's lines go; null when it is not among those that are logged. */
  writer({ localAddress, remoteAddress }: Ends): ((line: Buffer) => void) | null {
    const file = this.#file;
    if (file === null) return null;
    if (this.#local !== null && !this.#local.contains(localAddress.address)) return null;
    if (this.#remote !== null && !this.#remote.contains(remoteAddress.address)) return null;
    return (line) => {
      const text = line.toString('latin1');
      file.write(text.endsWith('\n') ? text : `${text}\n`);
    };
  }
}
