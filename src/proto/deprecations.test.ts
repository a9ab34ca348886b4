// Deprecated fields and enum values are found where they are used, with what Envoy's annotations say about them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findDeprecatedUses } from './deprecations.ts';
import { fromJson } from './json-decode.ts';
import { registry } from './registry.ts';
import { Report } from './report.ts';

test('deprecated fields and enum values are listed with their paths', () => {
  const report = new Report();
  const bootstrap = registry.message('envoy.config.bootstrap.v3.Bootstrap');
  const message = fromJson(
    bootstrap,
    {
      static_resources: {
        clusters: [{ name: 'a', http2_protocol_options: {}, lb_policy: 'RANDOM' }],
        listeners: [{ name: 'l', drain_type: 'DEFAULT' }],
      },
      admin: { access_log_path: 'x' },
      dynamic_resources: {
        cds_config: { api_config_source: { api_type: 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE' } },
      },
    },
    report,
  );
  assert.ok(report.isEmpty);
  assert.deepEqual(
    findDeprecatedUses(bootstrap, message).map(({ path, name, deprecatedAtMinorVersion }) => [
      path,
      name,
      deprecatedAtMinorVersion,
    ]),
    [
      [
        'static_resources.clusters[0].http2_protocol_options',
        'envoy.config.cluster.v3.Cluster.http2_protocol_options',
        '3.0',
      ],
      [
        'dynamic_resources.cds_config.api_config_source.api_type',
        'envoy.config.core.v3.ApiConfigSource.DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE',
        '',
      ],
      ['admin.access_log_path', 'envoy.config.bootstrap.v3.Admin.access_log_path', '3.0'],
    ],
  );
});

test('annotations of enum values are read', () => {
  const type = registry.enum('envoy.config.core.v3.ApiConfigSource.ApiType');
  assert.equal(type.deprecation('GRPC'), null);
  assert.deepEqual(type.deprecation('DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE'), {
    deprecated: true,
    deprecatedAtMinorVersion: '',
    disallowedByDefault: true,
  });
});
