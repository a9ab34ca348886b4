// Regenerates src/proto/generated, proto/VERSIONS and src/control/schema/generated: descriptors, index, type
// declarations, schemas of custom resources. Needs Go.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Registry } from '../src/proto/registry.ts';
import { encodeIndex, listTypes } from './generate/index-file.ts';
import { writeSchemas } from './generate/schemas.ts';
import { writeTypes } from './generate/types-file.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = `${root}src/proto/generated`;

/** Runs the Go program that collects the descriptors; it takes a minute or two the first time. */
function collectDescriptors(): void {
  const args = ['run', '.', '-out', `${generated}/descriptors.bin`, '-versions', `${root}proto/VERSIONS`];
  execFileSync('go', [...args, '-supplement', `${root}proto/supplement`], {
    cwd: `${root}scripts/generate`,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
    stdio: 'inherit',
  });
}

writeSchemas(root);
if (process.argv.includes('--schemas-only')) process.exit();
if (!process.argv.includes('--types-only')) collectDescriptors();
writeFileSync(`${generated}/descriptors.index`, encodeIndex(listTypes(readFileSync(`${generated}/descriptors.bin`))));
const registry = new Registry(generated);
writeFileSync(`${generated}/types.d.ts`, writeTypes(registry));
registry.close();
