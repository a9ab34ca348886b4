// Masks of configuration dumps, and what nobody may read in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyMask, type JsonObject, parseMask, redact } from './dump-json.ts';
import { JsonTree, jsonPieces } from './json-writer.ts';

const TYPE = 'envoy.admin.v3.ClustersConfigDump.DynamicCluster';
const CLUSTER = { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'one', type: 'EDS' };

/** What is written of it. */
function mask(type: string, json: JsonObject, paths: readonly string[]): unknown {
  const kept = applyMask(type, new JsonTree(json), paths);
  return kept === null ? null : JSON.parse([...jsonPieces(kept)].join(''));
}

test('a mask keeps its paths, through Anys', () => {
  const json: JsonObject = { version_info: '1', cluster: CLUSTER, last_updated: 'now' };
  assert.deepEqual(mask(TYPE, json, parseMask('version_info,cluster.name')), {
    version_info: '1',
    cluster: { '@type': CLUSTER['@type'], name: 'one' },
  });
  assert.deepEqual(mask(TYPE, json, ['error_state.details']), {});
});

test('a mask that fits no field of the type is refused', () => {
  const json: JsonObject = { cluster: CLUSTER };
  for (const path of ['nope', 'cluster.nope', 'version_info.x', 'error_state.nope', '']) {
    assert.equal(mask(TYPE, json, [path]), null, path);
  }
  assert.equal(mask('envoy.admin.v3.ClustersConfigDump', { static_clusters: [] }, ['static_clusters.cluster']), null);
});

test('private keys, tickets and passwords are overwritten, whatever form they have', () => {
  const dump = {
    tls_certificate: {
      certificate_chain: { inline_string: 'chain' },
      private_key: { inline_bytes: 'a2V5' },
      password: { filename: '/key' },
    },
    session_ticket_keys: { keys: [{ inline_string: 'key' }] },
    generic_secret: { secret: { inline_string: 'word' } },
    private_key_provider: { typed_config: { '@type': 'type.googleapis.com/x', text: 'key' } },
  };
  redact(dump);
  assert.deepEqual(dump, {
    tls_certificate: {
      certificate_chain: { inline_string: 'chain' },
      private_key: { inline_bytes: 'W3JlZGFjdGVkXQ==' },
      password: { filename: '[redacted]' },
    },
    session_ticket_keys: { keys: [{ inline_string: '[redacted]' }] },
    generic_secret: { secret: { inline_string: '[redacted]' } },
    private_key_provider: { typed_config: { '@type': 'type.googleapis.com/x', text: '[redacted]' } },
  });
});
