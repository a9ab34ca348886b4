// `heddle control` with the bookshop's files and objects that stand for its programs.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { BOOKSHOP } from './bookshop-rig.ts';

const START_MS = 60_000;
const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export class BookshopControl {
  readonly #directory = mkdtempSync(join(tmpdir(), 'heddle-bookshop-'));
  readonly #child: ChildProcess;
  readonly #http: number;
  #output = '';

  private constructor(objects: readonly object[], ports: { plain: number; secure: number; http: number }) {
    cpSync(join(BOOKSHOP, 'mesh'), join(this.#directory, 'config'), { recursive: true });
    this.write('objects.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    this.#http = ports.http;
    this.#child = spawn(
      join(PROJECT_ROOT, 'bin', 'heddle'),
      [
        ...['control', '--config', join(this.#directory, 'config'), '--state-dir', join(this.#directory, 'state')],
        ...['--grpc-address', `127.0.0.1:${ports.plain}`, '--secure-address', `127.0.0.1:${ports.secure}`],
        ...['--http-address', `127.0.0.1:${ports.http}`],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    live.add(this.#child);
    this.#child.once('exit', () => live.delete(this.#child));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  static async start(objects: readonly object[]): Promise<BookshopControl> {
    const ports = { plain: await freePort(), secure: await freePort(), http: await freePort() };
    const control = new BookshopControl(objects, ports);
    for (const end = performance.now() + START_MS; ; await sleep(25)) {
      const isReady = await control.json('/ready').then(
        () => true,
        () => false,
      );
      if (isReady) return control;
      if (performance.now() < end) continue;
      await control.stop();
      throw new Error(`heddle control does not start\n${control.#output}`);
    }
  }

  /** Into the directory that it reads. */
  write(name: string, text: string): void {
    writeFileSync(join(this.#directory, 'config', name), text);
  }

  /** A page; text where it is no JSON. */
  async json(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#http}${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  async findings(): Promise<readonly unknown[]> {
    const answer = await this.json('/api/v1/findings');
    return Array.isArray(answer) ? answer : (answer as { findings: unknown[] }).findings;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
