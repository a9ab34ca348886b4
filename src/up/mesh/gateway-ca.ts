// Certificates of gateways as browsers see them, under a root of their own: never the mesh’s, which nobody trusts.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeKey } from '../../ca/signing/algorithms.ts';
import { certificateName, writeCertificate } from '../../ca/signing/certificate-writer.ts';
import { exportKey, type Issuer, makeRoot, selfMadeIssuer } from '../../ca/signing/issuer.ts';

const DAY_MS = 86_400_000;
const ROOT_DAYS = 3650;
/** Browsers take no longer ones. */
const LEAF_DAYS = 397;
const CLOCKS_DIFFER_MS = 60_000;

export const gatewayRootPath = (state: string): string => join(state, 'gateway-ca', 'root.pem');

export type GatewayCertificate = { readonly chain: string; readonly key: string };

export class GatewayCa {
  readonly #issuer: Issuer;

  private constructor(issuer: Issuer) {
    this.#issuer = issuer;
  }

  /** Its root is made once and kept, so that whoever trusted it goes on doing so. */
  static async open(state: string): Promise<GatewayCa> {
    const directory = join(state, 'gateway-ca');
    const files = { root: gatewayRootPath(state), key: join(directory, 'root.key') };
    if (existsSync(files.root) && existsSync(files.key)) {
      const issuer = selfMadeIssuer(
        readFileSync(files.root, 'utf8'),
        createPrivateKey(readFileSync(files.key, 'utf8')),
      );
      if (typeof issuer !== 'string') return new GatewayCa(issuer);
    }
    const nowMs = Date.now();
    const issuer = await makeRoot({
      trustDomain: 'Heddle',
      commonName: `gateways of ${hostname()}, for development`,
      keyKind: 'p256',
      fromMs: nowMs - CLOCKS_DIFFER_MS,
      toMs: nowMs + ROOT_DAYS * DAY_MS,
    });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const [root = ''] = issuer.roots;
    writeFileSync(files.root, root, { mode: 0o600 });
    writeFileSync(files.key, exportKey(issuer.signer.key), { mode: 0o600 });
    return new GatewayCa(issuer);
  }

  async issue(dnsNames: readonly string[]): Promise<GatewayCertificate> {
    const key = await makeKey('p256');
    const nowMs = Date.now();
    const der = await writeCertificate(this.#issuer.signer, {
      publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
      subject: certificateName('Heddle', dnsNames[0] ?? 'localhost'),
      uris: [],
      dnsNames,
      fromMs: nowMs - CLOCKS_DIFFER_MS,
      toMs: nowMs + LEAF_DAYS * DAY_MS,
      usage: 'server',
    });
    const body = der.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
    return { chain: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`, key: exportKey(key) };
  }
}
