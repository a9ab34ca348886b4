// Writes NOTICE from the metadata of the packages: whose work Heddle contains, and under which licence.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = dirname(import.meta.dirname);

/**
 * Whose descriptions are compiled into `src/proto/generated` and `src/control/schema/generated`, from which Go module,
 * under which licence.
 */
const SCHEMA_SOURCES: readonly (readonly [name: string, licence: string])[] = [
  ['Envoy API (github.com/envoyproxy/go-control-plane)', 'Apache-2.0'],
  ['protoc-gen-validate (github.com/envoyproxy/protoc-gen-validate)', 'Apache-2.0'],
  ['xDS API (github.com/cncf/xds)', 'Apache-2.0'],
  ['Istio API (istio.io/api)', 'Apache-2.0'],
  ['Gateway API (sigs.k8s.io/gateway-api)', 'Apache-2.0'],
  ['OpenTelemetry protocol (go.opentelemetry.io/proto)', 'Apache-2.0'],
  ['CEL specification (cel.dev/expr)', 'Apache-2.0'],
  ['Google APIs and gRPC health (google.golang.org/genproto, google.golang.org/grpc)', 'Apache-2.0'],
  ['Protocol Buffers well-known types (google.golang.org/protobuf)', 'BSD-3-Clause'],
  ['Prometheus client model (github.com/prometheus/client_model)', 'Apache-2.0'],
];

/** In the script of the live page; the rest of the page's packages are for building it. */
const BUNDLED_IN_PAGE = ['@dagrejs/dagre', '@dagrejs/graphlib', '@preact/signals', '@preact/signals-core', 'preact'];

type Manifest = { readonly version: string; readonly license?: string };

function readManifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
}

function licenceText(name: string): string {
  const directory = join(ROOT, 'node_modules', name);
  const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`licences: ${name} has no licence file`);
  return readFileSync(join(directory, file), 'utf8').replaceAll('\r', '').trim();
}

/** Returns the text of NOTICE for what is installed. */
export function renderNotice(): string {
  const manifest: Record<string, Record<string, string>> = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const names = (section: string): string[] => Object.keys(manifest[section] ?? {}).sort();
  const line = (name: string): string => `  ${name}: ${readManifest(name).license ?? 'no licence stated'}`;
  const bundled = [...names('dependencies'), ...BUNDLED_IN_PAGE].sort();
  const platform = names('optionalDependencies');
  const installed = platform.find((name) => name === `node-${process.platform}-${process.arch}`);
  const licenceOfNode = installed === undefined ? 'MIT' : readManifest(installed).license;
  return [
    'Heddle',
    'Licensed under the Apache License, Version 2.0 (see LICENSE). Licence texts that must be shown are below.',
    '',
    'API descriptions compiled into this software:',
    ...SCHEMA_SOURCES.map(([name, licence]) => `  ${name}: ${licence}`),
    '',
    'Packages bundled with this software:',
    ...bundled.map(line),
    '',
    'Installed beside this software, unchanged, where the platform has one:',
    ...platform.map((name) => `  ${name} (Node.js): ${licenceOfNode}, with the notices that it carries`),
    '',
    'Used to develop this software, not distributed with it:',
    ...names('devDependencies')
      .filter((name) => !bundled.includes(name))
      .map(line),
    '',
    '---- Protocol Buffers ----',
    '',
    readFileSync(join(import.meta.dirname, 'support/licences/protobuf.txt'), 'utf8').trim(),
    ...bundled.flatMap((name) => ['', `---- ${name} ----`, '', licenceText(name)]),
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(join(ROOT, 'NOTICE'), renderNotice());
}
