// One mesh in a directory at a time, and nothing left where none was run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startOf } from '../../net/process-identity.ts';
import { claimDirectory } from './claim.ts';

function meshDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-claim-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'heddle.yaml'), '');
  return directory;
}

function claimed(directory: string): () => void {
  const give = claimDirectory(directory);
  assert.ok(typeof give !== 'string', String(give));
  return give;
}

test('a directory is had once, and again when it was given back', (t) => {
  const directory = meshDirectory(t);
  const give = claimed(directory);
  assert.equal(
    claimDirectory(directory),
    `a mesh runs in ${directory} already (process ${process.pid}): heddle down ends it`,
  );
  assert.equal(readFileSync(join(directory, '.heddle/up.pid'), 'utf8'), `${process.pid} ${startOf(process.pid)}`);
  assert.deepEqual(readdirSync(join(directory, '.heddle')).sort(), ['.gitignore', 'up.pid']);
  give();
  assert.ok(!existsSync(join(directory, '.heddle')));
  claimed(directory)();
});

test('what a mesh left stays', (t) => {
  const directory = meshDirectory(t);
  const give = claimed(directory);
  mkdirSync(join(directory, '.heddle/logs'));
  writeFileSync(join(directory, '.heddle/logs/a.log'), 'a');
  give();
  assert.deepEqual(readdirSync(join(directory, '.heddle')).sort(), ['.gitignore', 'logs']);
});

test('a lock of who was killed, of another process of its number, or of nobody is none', async (t) => {
  const directory = meshDirectory(t);
  const lock = join(directory, '.heddle/up.pid');
  mkdirSync(join(directory, '.heddle'));
  writeFileSync(join(directory, '.heddle/kept'), '');
  const child = spawn('true');
  await new Promise((resolve) => child.on('exit', resolve));
  for (const left of [`${child.pid} x 1`, `${child.pid}`, `${process.pid} another boot 1`, '', 'x', '-1 x']) {
    writeFileSync(lock, left);
    claimed(directory)();
    assert.ok(!existsSync(lock), left);
  }
  // A version that did not write when it started.
  writeFileSync(lock, String(process.pid));
  assert.match(String(claimDirectory(directory)), /already \(process \d+\)/);
});

test('of many who find a stale lock one has the directory', async (t) => {
  const directory = meshDirectory(t);
  mkdirSync(join(directory, '.heddle'));
  writeFileSync(join(directory, '.heddle/up.pid'), '999999999 x 1');
  const script = `
    import { claimDirectory } from ${JSON.stringify(join(import.meta.dirname, 'claim.ts'))};
    const claimed = claimDirectory(${JSON.stringify(directory)});
    process.stdout.write(typeof claimed === 'string' ? 'refused' : 'claimed');
    setTimeout(() => {}, 3000);
  `;
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return new Promise<string>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => resolve(chunk.toString()));
        child.on('exit', () => resolve('ended'));
      });
    }),
  );
  assert.deepEqual(answers.sort(), ['claimed', 'refused', 'refused', 'refused', 'refused', 'refused']);
});

test('why a directory cannot be had', (t) => {
  const directory = meshDirectory(t);
  writeFileSync(join(directory, '.heddle'), 'a file');
  assert.match(String(claimDirectory(directory)), /ENOTDIR/);
  rmSync(join(directory, 'heddle.yaml'));
  assert.match(String(claimDirectory(directory)), /^there is no .*\/heddle\.yaml: it says what to run; see /);
});
