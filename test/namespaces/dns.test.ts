// DNS as in a pod: the C library's resolver with search domains, port 53 redirected to the proxy, which asks outside.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openCapture } from '../captures/captures.ts';
import { agentBootstrap } from '../captures/serve.ts';
import { CLUSTER, LISTENER, NAME_TABLE, put } from '../integration/xds-types-rig.ts';
import { AdsServer } from '../support/ads-server.ts';
import { DnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';

/** What the pod's resolv.conf names; nobody is there. */
const CLUSTER_DNS = '10.96.0.10';
const RESOLV_CONF = `nameserver ${CLUSTER_DNS}
search bookinfo.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:2
`;
/** Redirects by the address asked, so that the proxy's own questions to another are none of it. */
const RULES = `table ip dns_capture {
  chain output {
    type nat hook output priority -100
    ip daddr ${CLUSTER_DNS} udp dport 53 redirect to :15053
    ip daddr ${CLUSTER_DNS} tcp dport 53 redirect to :15053
  }
}
`;

const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-dns-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so DNS cannot be captured', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  after(() => lab.close());
  test('an unmodified program finds the mesh by every name, and the world', () => captured(lab));
}

type Found = { readonly addresses: readonly string[]; readonly name: string };

/** Runs a program with the pod's resolv.conf in place of the machine's; nobody else sees it. */
function inPod(script: string, ...args: string[]): Promise<string> {
  return new Promise((resolve) => execFile(script, args, (_error, stdout) => resolve(stdout)));
}

async function getent(script: string, database: string, name: string): Promise<Found> {
  const lines = (await inPod(script, 'getent', database, name)).trim().split('\n');
  const words = lines.map((line) => line.split(/\s+/));
  const addresses = [...new Set(words.map(([address]) => address ?? ''))].sort();
  return { addresses, name: words[0]?.[database === 'hosts' ? 1 : 2] ?? '' };
}

async function captured(pod: Lab): Promise<void> {
  writeFileSync(join(folder, 'resolv.conf'), RESOLV_CONF);
  const script = join(folder, 'in-pod.sh');
  const mount = `mount --bind "${join(folder, 'resolv.conf')}" /etc/resolv.conf && exec "$@"`;
  writeFileSync(script, `#!/bin/sh\nexec unshare --mount --propagation private sh -c '${mount}' sh "$@"\n`);
  chmodSync(script, 0o755);
  pod.home.ip('route add default via 10.99.0.2');
  pod.home.nft(RULES);
  const ads = new AdsServer();
  const upstream = await DnsServer.start();
  upstream.zone = { 'www.outside.test': ['192.0.2.1'] };
  const capture = openCapture('02-dns-capture/client');
  const table = capture.types.get(`type.googleapis.com/${NAME_TABLE}`)?.[0]?.json as { table: object };
  const more = { '*.wild.example': { ips: ['240.240.0.7'], registry: 'External' } };
  put(ads, NAME_TABLE, '', { table: { ...table.table, ...more } });
  for (const type of [CLUSTER, LISTENER]) ads.set(type, {});
  const before = process.env['HEDDLE_COMMAND'];
  // The proxy takes the search domains from the same file.
  process.env['HEDDLE_COMMAND'] = `${script} ${before ?? `${process.execPath} bin/heddle`}`;
  const flags = ['--dns-upstream', `127.0.0.1:${upstream.port}`];
  const proxy = await startProxy('heddle', agentBootstrap(ads.port, capture, 'DELTA_GRPC'), folder, flags).finally(
    () => {
      if (before === undefined) delete process.env['HEDDLE_COMMAND'];
      else process.env['HEDDLE_COMMAND'] = before;
    },
  );
  try {
    await ads.until(() => ads.isAcked(NAME_TABLE));
    const find = async (name: string): Promise<string> => (await getent(script, 'ahosts', name)).addresses.join(' ');
    for (const name of ['reviews', 'reviews.bookinfo', 'reviews.bookinfo.svc', 'reviews.bookinfo.svc.cluster.local']) {
      assert.equal(await find(name), '10.96.0.3', name);
    }
    assert.equal(await find('stateful'), '10.0.1.41 10.0.1.42');
    assert.equal(await find('plain.legacy'), '10.96.0.12');
    assert.equal(await find('api.external.com'), '240.240.0.1');
    assert.equal(await find('a.wild.example'), '240.240.0.7');
    // With five dots to be complete, the first question has the search domain: an alias ends the search at once.
    assert.equal((await getent(script, 'hosts', 'api.external.com')).name, 'api.external.com');
    const outside = upstream.queries.filter(({ name, type }) => type === 'A' && /external|wild/.test(name));
    assert.deepEqual(outside, [], 'nobody outside is asked for a name of the mesh with a search domain');
    assert.equal(await find('www.outside.test'), '192.0.2.1');
    assert.equal(await find('plain'), '', 'short names are of the own namespace');
    assert.equal((await getent(script, 'hosts', '10.96.0.3')).name, 'reviews.bookinfo.svc.cluster.local');
    const view = JSON.parse((await proxy.admin('/dns')).body) as Record<string, unknown>;
    assert.deepEqual(view['addresses'], ['127.0.0.1:15053', '[::1]:15053']);
    assert.deepEqual([view['search'], view['namespace']], ['bookinfo.svc.cluster.local', 'bookinfo']);
  } finally {
    await proxy.stop();
    ads.stop();
    await upstream.close();
  }
}
