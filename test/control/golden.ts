// Prints how our resources differ from a captured istiod's: golden.ts [CAPTURE/ROLE [TYPE [NAME]]]
import { openCaptures } from '../captures/captures.ts';
import { compareCapture, type Json } from './golden-rig.ts';
import { GOLDEN } from './golden-captures.ts';

const [name = '', type = '', resource = ''] = process.argv.slice(2);
const MAX_SHOWN = 12;

const names = openCaptures()
  .captures.map((capture) => capture.name)
  .filter((capture) => (name === '' ? GOLDEN.includes(capture) : capture.startsWith(name)));
for (const capture of names) {
  const compared = compareCapture(capture).filter((one) => one.typeUrl.includes(type) && one.name.includes(resource));
  const equal = compared.filter((one) => one.differences.length === 0).length;
  process.stdout.write(`${capture}: ${equal} of ${compared.length} equal\n`);
  if (name === '') continue;
  for (const { typeUrl, name: own, differences } of compared) {
    if (differences.length === 0) continue;
    process.stdout.write(`  ${typeUrl.split('.').at(-1)} ${own}\n`);
    for (const { path, theirs, ours } of differences.slice(0, MAX_SHOWN)) {
      process.stdout.write(`    ${path || '(all)'}\n      theirs ${shown(theirs)}\n      ours   ${shown(ours)}\n`);
    }
  }
}

function shown(value: Json | undefined): string {
  const text = value === undefined ? '-' : JSON.stringify(value);
  return resource === '' ? text.slice(0, 300) : text;
}
