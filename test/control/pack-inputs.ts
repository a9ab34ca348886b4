// Packs what the captured istiods were given (base.yaml, and a folder per scenario) into the one file that tests open.
// bin/heddle-node test/control/pack-inputs.ts FOLDER
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import type { PackedInputs } from './capture-inputs.ts';

const folder = process.argv[2] ?? '';
const FILES = ['config.yaml', 'mesh.yaml', 'steps.yaml'];

function textOf(...path: string[]): string {
  return readFileSync(join(folder, ...path), 'utf8');
}

const scenarios: Record<string, PackedInputs['scenarios'][string]> = {};
for (const name of globSync('*/mesh.yaml', { cwd: folder }).map(dirname).sort()) {
  const present = FILES.filter((file) => existsSync(join(folder, name, file)));
  const hasEnv = existsSync(join(folder, name, 'istiod-env.json'));
  scenarios[name] = {
    files: Object.fromEntries(present.map((file) => [file, textOf(name, file)])),
    env: hasEnv ? (JSON.parse(textOf(name, 'istiod-env.json')) as Record<string, string>) : {},
  };
}
const packed: PackedInputs = { base: textOf('base.yaml'), scenarios };
writeFileSync(
  join(import.meta.dirname, 'testdata/capture-inputs.json.br'),
  brotliCompressSync(Buffer.from(JSON.stringify(packed))),
);
