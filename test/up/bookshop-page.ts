// The shop's page in a real Chromium, through the HTTPS ingress gateway.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { chromium } from 'playwright-core';
import { locatePeer } from '../../scripts/peers.ts';
import type { BookshopMesh } from './bookshop-mesh.ts';

const SHOWN_MS = 60_000;

export function skipOfPage(): string | false {
  const peer = locatePeer('chromium');
  return 'missing' in peer ? peer.missing : false;
}

/** What a person sees: opens the page, and reads it. */
export async function readPage(mesh: BookshopMesh): Promise<{ readonly text: string; readonly issuer: string }> {
  const peer = locatePeer('chromium');
  if ('missing' in peer) throw new Error(peer.missing);
  const url = new URL(mesh.urls.https);
  const browser = await chromium.launch({
    executablePath: peer.path,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
      // As if the user had said yes to `heddle trust`: this key, and no other.
      `--ignore-certificate-errors-spki-list=${await trustedKey(mesh, url)}`,
    ],
  });
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    const response = await page.goto(`${url.href}`, { timeout: SHOWN_MS });
    assert.equal(response?.status(), 200);
    await page.waitForSelector('.quote p', { timeout: SHOWN_MS });
    await page.waitForSelector('blockquote', { timeout: SHOWN_MS });
    assert.deepEqual(faults, []);
    const issuer = (await response?.securityDetails())?.issuer ?? '';
    return { text: (await page.textContent('main')) ?? '', issuer };
  } finally {
    await browser.close();
  }
}

/** The hash of the key that the gateway shows, once the gateways' own root, and not the mesh's, stands for it. */
async function trustedKey(mesh: BookshopMesh, { port }: URL): Promise<string> {
  const root = readFileSync(join(mesh.directory, '.heddle/gateway-ca/root.pem'), 'utf8');
  const shown = await new Promise<PeerCertificate>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', servername: 'localhost', port: Number(port), ca: root }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
  const ofMesh = new X509Certificate(readFileSync(join(mesh.directory, '.heddle/control/root-cert.pem')));
  const certificate = new X509Certificate(shown.raw);
  assert.ok(!certificate.verify(ofMesh.publicKey), 'the root of the mesh signs nothing for browsers');
  const key = createPublicKey(certificate.toString()).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}
