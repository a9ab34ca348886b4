// What the admin interface says is read strictly as envoy.admin.v3, by a program of go-control-plane: nothing in it is
// unknown there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { startProxy } from '../support/proxy-process.ts';
import { scratchFolder } from './heddle.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples/envoy');
/** Of all kinds: routes, listeners without sockets, UDP, filters with configuration of their own. */
const NAMES = ['quickstart', 'runtime', 'rbac', 'udp-proxy', 'compression', 'grpc', 'weighted-split'];

const ANSWERS = [
  ['ConfigDump', '/config_dump'],
  ['ConfigDump', '/config_dump?include_eds'],
  ['ConfigDump', '/config_dump?mask=bootstrap.node,bootstrap.static_resources.listeners'],
  ['Clusters', '/clusters?format=json'],
  ['Listeners', '/listeners?format=json'],
  ['Certificates', '/certs'],
  ['ServerInfo', '/server_info'],
  ['UnreadyTargetsDumps', '/init_dump'],
  ['Memory', '/memory'],
] as const;

const reader = locatePeer('envoy-admin-reader');

describe('a strict reader of envoy.admin.v3', { skip: 'missing' in reader ? reader.missing : false }, () => {
  for (const name of NAMES) {
    it(`reads ${name}.yaml`, async () => {
      const folder = scratchFolder();
      // Its ports may be taken; addresses say nothing here.
      const text = readFileSync(join(EXAMPLES, `${name}.yaml`), 'utf8').replace(/port_value: \d+/g, 'port_value: 0');
      const proxy = await startProxy('heddle', text, folder);
      try {
        const files = [];
        for (const [i, [message, path]] of ANSWERS.entries()) {
          const file = join(folder, `${i}.json`);
          writeFileSync(file, (await proxy.admin(path)).body);
          files.push(`${message}=${file}`);
        }
        const lines = execFileSync((reader as { path: string }).path, files, { encoding: 'utf8' })
          .trim()
          .split('\n');
        for (const [i, line] of lines.entries()) assert.match(line, /^\w+ ok \d+$/, ANSWERS[i]?.[1]);
        assert.equal(lines.length, ANSWERS.length);
      } finally {
        await proxy.stop();
      }
    });
  }
});
