// Takes pictures of the live page of a mesh that runs: bin/heddle-node scripts/screenshots.ts URL#token=TOKEN DIRECTORY
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { locatePeer } from './peers.ts';

const VIEWS = ['graph', 'workloads', 'requests', 'objects', 'timeline'] as const;
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** Until the picture stands still. */
const SETTLE_MS = 900;

/** A Chromium that calls nobody by itself. */
export function openBrowser(more: readonly string[] = []): Promise<Browser> {
  const peer = locatePeer('chromium');
  if ('missing' in peer) throw new Error(`chromium: ${peer.missing}`);
  const quiet = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update'];
  const args = ['--no-sandbox', '--disable-gpu', '--disable-sync', ...quiet, ...more];
  return chromium.launch({ executablePath: peer.path, args });
}

/** NAME-light.png and NAME-dark.png of each view, and NAME-phone.png. */
export async function takePictures(address: string, directory: string): Promise<string[]> {
  mkdirSync(directory, { recursive: true });
  const browser = await openBrowser();
  const files: string[] = [];
  try {
    for (const kind of ['light', 'dark', 'phone'] as const) {
      const viewport = kind === 'phone' ? PHONE : WIDE;
      const page = await browser.newPage({
        viewport,
        colorScheme: kind === 'dark' ? 'dark' : 'light',
        deviceScaleFactor: 2,
      });
      await page.goto(address);
      for (const view of VIEWS) {
        const file = join(directory, `${view}-${kind}.png`);
        await show(page, view);
        await page.screenshot({ path: file });
        files.push(file);
      }
      await page.close();
    }
  } finally {
    await browser.close();
  }
  return files;
}

async function show(page: Page, view: string): Promise<void> {
  await page.click(`nav a[href="#/${view}"]`);
  if (view !== 'timeline') await page.waitForSelector(view === 'graph' ? '[data-node]' : 'tbody tr');
  if (view === 'requests' || view === 'objects') await page.click('tbody .more >> nth=0');
  await page.waitForTimeout(SETTLE_MS);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [address, directory] = process.argv.slice(2);
  if (address === undefined || directory === undefined) {
    console.log('usage: bin/heddle-node scripts/screenshots.ts http://127.0.0.1:15014/#token=TOKEN DIRECTORY');
    process.exitCode = 1;
  } else {
    for (const file of await takePictures(address, directory)) console.log(file);
  }
}
