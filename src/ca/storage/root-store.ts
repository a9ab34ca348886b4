// Where the authority keeps what must outlive it: its roots and their keys, and which of them signs, comes and goes.
import { join } from 'node:path';
import { Secret } from '../../base/secret.ts';
import { exportKey, type Issuer, selfMadeIssuer } from '../signing/issuer.ts';
import { isPrivate, namesIn, privateDirectory, readFileIfThere, removeFile, writeFileDurably } from './files.ts';
import { openKey, sealKey } from './sealed-key.ts';

/** A root that signs no more, but is trusted as long as certificates under it may be about. */
export type RetiringRoot = { readonly root: string; readonly untilMs: number };

export type TrustRecord = {
  /** Ids of issuers; of plugged-in ones only their roots are kept. */
  readonly signing: string;
  readonly signingRoots: readonly string[];
  readonly next: string | null;
  readonly retiring: readonly RetiringRoot[];
};

const FORMAT = 'heddle-trust-1';
const RECORD = 'trust.json';
/** Enough of SHA-256 to tell files apart. */
const ID_CHARS = 16;
const ROOT_FILE = /^root-([0-9a-f]{16})\.(?:pem|key)$/;

export class RootStore {
  readonly directory: string;
  readonly #passphrase: Secret | null;

  /** Throws where the directory cannot be made; with a passphrase, keys are encrypted. */
  constructor(directory: string, passphrase: Secret | null) {
    privateDirectory(directory);
    this.directory = directory;
    this.#passphrase = passphrase;
  }

  /** Null when there is none yet. A text says what is wrong with it. */
  record(): TrustRecord | string | null {
    const path = this.#path(RECORD);
    const text = readFileIfThere(path);
    if (text === null) return null;
    try {
      const found = JSON.parse(text) as TrustRecord & { format: string };
      if (found.format === FORMAT && Array.isArray(found.signingRoots) && Array.isArray(found.retiring)) return found;
    } catch {
      // The same text serves both.
    }
    return `${path} is not what the authority wrote there; restore it, or remove the directory to begin anew`;
  }

  saveRecord(record: TrustRecord): void {
    writeFileDurably(this.#path(RECORD), `${JSON.stringify({ format: FORMAT, ...record }, null, 2)}\n`);
  }

  /** A self-made root with its key. A text says why it cannot be had. */
  async root(id: string): Promise<Issuer | string> {
    const [pemPath, keyPath] = [this.#rootPath(id, 'pem'), this.#rootPath(id, 'key')];
    const [pem, keyText] = [readFileIfThere(pemPath), readFileIfThere(keyPath)];
    if (pem === null) return `${pemPath} is missing`;
    if (keyText === null) return `${keyPath} is missing`;
    const opened = await openKey(keyText, this.#passphrase);
    if (typeof opened === 'string') return `${keyPath} ${opened}`;
    if (!opened.wasSealed && this.#passphrase === null && !isPrivate(keyPath)) {
      return `${keyPath} may be read by others: chmod 600 it, and think of a new root`;
    }
    const issuer = selfMadeIssuer(pem, opened.key);
    if (typeof issuer === 'string') return `${pemPath}: ${issuer}`;
    // A passphrase that came later takes the bare key off the disk.
    if (!opened.wasSealed && this.#passphrase !== null) await this.#saveKey(issuer);
    return issuer;
  }

  async saveRoot(issuer: Issuer): Promise<void> {
    await this.#saveKey(issuer);
    writeFileDurably(this.#rootPath(issuer.id, 'pem'), issuer.certificate);
  }

  /** Removes the roots, and their keys, that are not among these. */
  keepOnly(ids: readonly string[]): void {
    const kept = new Set(ids.map((id) => id.slice(0, ID_CHARS)));
    for (const name of namesIn(this.directory)) {
      const id = ROOT_FILE.exec(name)?.[1];
      if (id !== undefined && !kept.has(id)) removeFile(this.directory, name);
    }
  }

  async #saveKey(issuer: Issuer): Promise<void> {
    const pem = new Secret(exportKey(issuer.signer.key));
    const text = this.#passphrase === null ? pem.reveal() : await sealKey(pem, this.#passphrase);
    writeFileDurably(this.#rootPath(issuer.id, 'key'), text);
  }

  #rootPath(id: string, ending: 'pem' | 'key'): string {
    return this.#path(`root-${id.slice(0, ID_CHARS)}.${ending}`);
  }

  #path(name: string): string {
    return join(this.directory, name);
  }
}
