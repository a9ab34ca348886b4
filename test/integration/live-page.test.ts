// The live page in a real Chromium, before a real control plane: what it shows, how soon, and what it lets nobody do.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { locatePeer } from '../../scripts/peers.ts';
import { openBrowser } from '../../scripts/screenshots.ts';
import { buildWeb } from '../../scripts/support/build-web.ts';
import type { MeshReport } from '../../src/telemetry/mesh-report.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { edgeOf, healthOf, nameOf, reportOf, requestOf } from '../support/mesh-reports.ts';
import { shopReport } from '../support/shop-traffic.ts';
import { AdsClient, CDS, ControlProcess, LDS, nodeOf, RDS } from './control-hostile-rig.ts';
import { scratchFolder, until } from './heddle.ts';

const chromium = locatePeer('chromium');
const skip = 'missing' in chromium ? chromium.missing : false;

const TOKEN = 'the-token-of-this-test';
const SHOWN_MS = 3000;
const service = (name: string, ip: string): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${ip}, ports: [{port: 80, name: http}]}
`;
const route = (weight: number): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: shop
  annotations: {note: '<img src=x onerror=alert(1)>'}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews}, weight: ${weight}}
    - {destination: {host: ratings}, weight: ${100 - weight}}
`;
const FILES = {
  'services.yaml': [service('reviews', '10.96.0.10'), service('ratings', '10.96.0.11')].join('---\n'),
  'route.yaml': route(80),
};

describe('the live page', { skip }, () => {
  let control: ControlProcess;
  let browser: Browser;
  let base = '';
  let tick = 0;

  before(async () => {
    await buildWeb(join(PROJECT_ROOT, 'dist/web'));
    const tokenFile = join(scratchFolder(), 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    control = await ControlProcess.start(FILES, ['--trust-loopback', '--page-token-file', tokenFile]);
    base = `http://127.0.0.1:${control.ports.http}`;
    browser = await openBrowser(['--host-resolver-rules=MAP evil.test 127.0.0.1']);
  });
  after(async () => {
    await browser?.close();
    await control?.stop();
  });

  async function report(body: MeshReport): Promise<void> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answer = await fetch(`${base}/api/v1/telemetry`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 204, await answer.text());
  }

  /** A page, and all that went wrong in it. */
  async function open(fragment: string): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const faults: string[] = [];
    page.on('dialog', (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (/Content Security Policy|Trusted/i.test(message.text())) faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(base)) faults.push(`asked ${request.url()}`);
    });
    await page.goto(`${base}/${fragment}`);
    return { page, faults };
  }

  it('draws who speaks with whom, and follows', async () => {
    await report(shopReport(++tick, Date.now()));
    const { page, faults } = await open(`#token=${TOKEN}`);
    await page.waitForSelector('[data-node="shop/reviews-v2"]');
    assert.equal(new URL(page.url()).hash, '#/graph', 'the token is gone from the address');
    assert.equal(await page.locator('[data-edge]').count(), 11);
    const edge = page.locator('[data-edge="shop → reviews-v2"]');
    assert.match((await edge.textContent()) ?? '', /\/s.*% err/);
    assert.match((await edge.getAttribute('aria-label')) ?? '', /mutual TLS/);
    await report(
      reportOf({
        edges: [edgeOf('shop', 'gifts')],
        workloads: [healthOf('gifts', { state: 'failed', reason: 'exit code 3' })],
      }),
    );
    await page.waitForSelector('[data-node="shop/gifts"].bad', { timeout: SHOWN_MS });
    await page.locator('[data-node="shop/gifts"]').focus();
    await page.keyboard.press('Enter');
    assert.match((await page.textContent('aside')) ?? '', /exit code 3.*heddle logs gifts-1/s);
    await page.keyboard.press('Escape');
    await page.waitForSelector('aside', { state: 'detached' });
    await page.reload();
    await page.waitForSelector('[data-node="shop/gifts"]');
    assert.deepEqual(faults, []);
    await page.close();
  });

  it('stands still while it is paused, and catches up', async () => {
    await report(shopReport(++tick, Date.now()));
    const { page } = await open(`#token=${TOKEN}`);
    await page.waitForSelector('[data-node="shop/shop"]');
    await page.click('button.pause');
    await report(reportOf({ edges: [edgeOf('shop', 'late')] }));
    await page.waitForTimeout(700);
    assert.equal(await page.locator('[data-node="shop/late"]').count(), 0);
    await page.click('button.pause');
    await page.waitForSelector('[data-node="shop/late"]', { timeout: SHOWN_MS });
    await page.close();
  });

  it('shows a changed weight within three seconds, with its difference and its receipt', async () => {
    const proxy = new AdsClient(control.ports.plain, nodeOf('shop', 'shop', '10.0.0.1'));
    for (const type of [CDS, LDS]) proxy.ask(type);
    proxy.ask(RDS, ['80']);
    await until('the proxy has its routes', () => proxy.names(RDS).length > 0);
    for (let at = 0; at < 3; at++) await report(shopReport(++tick, Date.now()));
    const { page, faults } = await open(`#token=${TOKEN}`);
    await page.click('nav a[href="#/timeline"]');
    const startMs = performance.now();
    control.write('route.yaml', route(55));
    const change = page.locator('[data-change="VirtualService/shop/reviews"]').first();
    await change.getByText('weight: 55').waitFor({ timeout: SHOWN_MS });
    const shownMs = performance.now() - startMs;
    await change.getByText('accepted, live in 1 of 1').waitFor({ timeout: SHOWN_MS });
    const liveMs = performance.now() - startMs;
    assert.ok(liveMs <= SHOWN_MS, `shown after ${shownMs} ms, live after ${liveMs} ms`);
    const text = ((await change.textContent()) ?? '').replaceAll(/\s+/g, ' ');
    assert.match(text, /- weight: 80\+ weight: 55/);
    assert.match(text, /route\.yaml:1/);
    assert.match(text, /live everywhere after \d+ ms/);
    await report(shopReport(++tick, Date.now()));
    control.write('route.yaml', `${route(40)}  oops: [`);
    await page.locator('.change.rejected').getByText('is no YAML').waitFor({ timeout: SHOWN_MS });
    await page.click('nav a[href="#/objects"]');
    const object = page.locator('[data-object="VirtualService/shop/reviews"]');
    await object.getByText('live in 1 of 1').waitFor();
    await object.locator('button.more').click();
    await page.getByText('<img src=x onerror=alert(1)>').waitFor();
    assert.deepEqual(faults, []);
    proxy.close();
    await page.close();
  });

  it('shows hostile texts as texts', async () => {
    const hostile = [
      '<img src=x onerror=alert(1)>',
      '<script>alert(2)</script>',
      '"><svg onload=alert(3)>',
      'javascript:alert(4)',
      "';alert(5)//",
      '{{constructor.constructor("alert(6)")()}}',
      '\u202egnp.exe\u0000\u001b[31m',
    ];
    const requests = hostile.map((text) =>
      requestOf({
        path: `/${text}`,
        method: text,
        authority: text,
        flags: text,
        details: text,
        source: text,
        by: text,
      }),
    );
    const names = { workload: hostile[0]!, namespace: hostile[1]!, service: hostile[2]!, version: hostile[3]! };
    const edges = [
      edgeOf('', '', { source: nameOf('', names), destination: nameOf('', { ...names, workload: hostile[1]! }) }),
    ];
    const workloads = [healthOf(hostile[0]!, { ...names, name: hostile[5]!, reason: hostile[1]!, state: 'not ready' })];
    await report(reportOf({ edges, workloads, requests, capture: hostile[0]! }));
    const { page, faults } = await open(`#token=${TOKEN}`);
    await page.waitForSelector('[data-node*="<img"]');
    await page.locator('[data-node*="<img"]').first().click();
    await page.waitForSelector('aside');
    for (const view of ['workloads', 'requests', 'objects', 'timeline']) {
      await page.click(`nav a[href="#/${view}"]`);
      await page.waitForSelector(`nav a[href="#/${view}"][aria-current]`);
      if (view === 'objects') await page.waitForSelector('[data-object]');
      if (view === 'workloads' || view === 'requests')
        await page.locator('main td').getByText('<img src=x').first().waitFor();
      for (const button of await page.locator('main .more').all()) await button.click();
      await page.waitForTimeout(200);
    }
    assert.equal(await page.locator('main img, main script, footer img, body > script').count(), 0);
    assert.deepEqual(faults, []);
    await page.close();
  });

  it('says what is missing without the token, and with a wrong one', async () => {
    const without = await open('');
    await without.page.getByText('This page needs a token').waitFor();
    await without.page.close();
    const wrong = await open('#token=the-token-of-another-mesh');
    await wrong.page.getByText('The token is not the right one').waitFor();
    assert.equal(await wrong.page.locator('[data-node]').count(), 0);
    await wrong.page.close();
  });

  it('connects again by itself, and says meanwhile that it does not', async () => {
    await report(shopReport(++tick, Date.now()));
    const { page } = await open(`#token=${TOKEN}`);
    await page.waitForSelector('[data-node="shop/shop"]');
    await control.stop();
    await page.getByText('The control plane does not answer').waitFor({ timeout: SHOWN_MS });
    await control.start();
    await report(reportOf({ edges: [edgeOf('shop', 'anew')] }));
    await page.waitForSelector('[data-node="shop/anew"]', { timeout: 8000 });
    assert.equal(await page.locator('[role=alert]').count(), 0);
    await page.close();
  });

  it('answers no page of another origin, under no other name, and in no frame', async () => {
    await report(shopReport(++tick, Date.now()));
    const foreign = await serveForeign();
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}`);
    const outcomes = await page.evaluate(
      async ({ base, token }) => {
        const authorization = `Bearer ${token}`;
        const tried = async (path: string, options: RequestInit): Promise<string> =>
          await fetch(base + path, options).then(
            (answer) => `${answer.type} ${answer.status}`,
            () => 'refused',
          );
        return [
          await tried('/api/v1/graph', { headers: { authorization } }),
          await tried('/api/v1/graph', {}),
          await tried('/api/v1/telemetry', { method: 'POST', mode: 'no-cors', body: '{}' }),
        ];
      },
      { base, token: TOKEN },
    );
    assert.deepEqual(outcomes, ['refused', 'refused', 'opaque 0']);
    await page.setContent(`<!doctype html><iframe src="${base}/#token=${TOKEN}"></iframe>`);
    await page.waitForTimeout(1000);
    assert.equal(await page.frameLocator('iframe').locator('[data-node]').count(), 0);
    const renamed = await page.goto(`http://evil.test:${control.ports.http}/`);
    assert.equal(renamed?.status(), 403);
    await page.close();
    foreign.close();
    for (const origin of ['http://evil.test', 'null']) {
      const headers = { origin, authorization: `Bearer ${TOKEN}` };
      assert.equal((await fetch(`${base}/api/v1/graph`, { headers })).status, 403);
    }
  });
});

function serveForeign(): Promise<Server> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>another page</title>');
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
