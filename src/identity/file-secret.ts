// A secret that lies in files: read again when one of them changes; what cannot be used leaves the last good one.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import type { DirectoryWatch, DirectoryWatcher } from '../net/file-watch.ts';
import { pemBlocks } from '../net/tls/pem.ts';
import { certificateSecret, type EncodedSecret, rootsSecret } from './encoded-secret.ts';

export type FileSecretParts = {
  readonly clock: Clock;
  readonly watcher: DirectoryWatcher;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

export type SecretPaths = { readonly chain: string; readonly key: string } | { readonly roots: string };

/** Of one that is not there, or will not do: its directory may come later. */
const RETRY_MS = 5000;
/** How long files are left alone after a change: those of one secret change one after the other. */
const DEBOUNCE_MS = 100;
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** The link that kubelet replaces when a mounted volume changes. */
const KUBERNETES_LINK = '..data';

export class FileSecret {
  readonly name: string;
  readonly listeners = new Set<() => void>();
  readonly #paths: SecretPaths;
  readonly #parts: FileSecretParts;
  readonly #timer: Timer;
  #watches: DirectoryWatch[] = [];
  #isClosed = false;
  #problem = '';
  current: EncodedSecret | null = null;

  constructor(name: string, paths: SecretPaths, parts: FileSecretParts) {
    this.name = name;
    this.#paths = paths;
    this.#parts = parts;
    this.#timer = parts.clock.timer((secret: FileSecret) => secret.#read(), this);
    this.#read();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.disarm();
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  #read(): void {
    const read = this.#load();
    if (typeof read === 'string') {
      if (read !== this.#problem) this.#parts.log('warning', `secret ${this.name}: ${read}`);
      this.#problem = read;
      this.#timer.arm(RETRY_MS);
    } else this.#problem = '';
    this.#watch();
    if (typeof read === 'string' || read.version === this.current?.version) return;
    this.current = read;
    for (const listener of [...this.listeners]) listener();
  }

  #load(): EncodedSecret | string {
    const paths = this.#paths;
    try {
      if ('roots' in paths) {
        const roots = readFileSync(paths.roots);
        const problem = certificatesProblem(roots, paths.roots);
        return problem ?? rootsSecret(this.name, roots.latin1Slice());
      }
      const chain = readFileSync(paths.chain);
      const key = readFileSync(paths.key);
      const problem = certificatesProblem(chain, paths.chain) ?? pairProblem(chain, key, paths.key);
      return problem ?? certificateSecret(this.name, chain.latin1Slice(), key.latin1Slice());
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Directories, because files are replaced; those that are not there yet are tried again with the files. */
  #watch(): void {
    if (this.#watches.length > 0 || this.#isClosed) return;
    const paths = 'roots' in this.#paths ? [this.#paths.roots] : [this.#paths.chain, this.#paths.key];
    const names = new Set([KUBERNETES_LINK, ...paths.map((path) => basename(path))]);
    const changed = (name: string): void => {
      if (!names.has(name) || this.#isClosed) return;
      // Watches call outside of any turn, so that the clock may stand far back; timers do not.
      this.#parts.clock.update();
      this.#timer.arm(DEBOUNCE_MS);
    };
    for (const directory of new Set(paths.map((path) => dirname(path)))) {
      const watch = this.#parts.watcher.watch(directory, { onMoved: changed, onChanged: changed });
      if (typeof watch !== 'string') this.#watches.push(watch);
    }
  }
}

function certificatesProblem(pem: Buffer, path: string): string | null {
  if (pem.length > MAX_FILE_BYTES) return `${path} is larger than ${MAX_FILE_BYTES} bytes`;
  const blocks = pemBlocks(pem, 'CERTIFICATE');
  if (blocks.length === 0) return `${path} has no certificate`;
  try {
    for (const block of blocks) new X509Certificate(block);
    return null;
  } catch (error) {
    return `${path} has a certificate that cannot be read: ${(error as Error).message}`;
  }
}

/** While its files are replaced one after the other they do not belong together. */
function pairProblem(chain: Buffer, key: Buffer, path: string): string | null {
  try {
    const [leaf = ''] = pemBlocks(chain, 'CERTIFICATE');
    return new X509Certificate(leaf).checkPrivateKey(createPrivateKey(key))
      ? null
      : `${path} is the key of another certificate`;
  } catch {
    // The message of a broken key must not tell anything of it.
    return `${path} has no key that can be read`;
  }
}
