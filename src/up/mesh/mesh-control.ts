// The control plane of the mesh: started, kept running, and listened to.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { overlayDirectory } from '../location.ts';
import type { RunningProgram, SpawnEvents } from '../process/spawn.ts';
import { Supervised } from '../process/supervised.ts';
import { ControlLink } from './control-link.ts';
import type { Mesh } from './mesh.ts';
import { ownEnvironment, selfCommand } from './self.ts';

const LOOK_MS = 10;

export class MeshControl {
  readonly link = new ControlLink();
  readonly #mesh: Mesh;
  #process: Supervised | null = null;
  #wasReady = false;
  #lastWords = '';

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  /** Resolves when it answers; throws why it cannot be started. */
  async start(): Promise<void> {
    const { narrator } = this.#mesh;
    const log = this.#mesh.logOf('control');
    const command = this.#command();
    this.#process = new Supervised('control', (events) => this.#run(command, events), {
      line: (text) => {
        log.line(text);
        this.#lastWords = text;
        this.#tellFinding(text);
      },
      started: () => undefined,
      ended: (how) => {
        if (this.#wasReady) narrator.tell('control', `the control plane ${how}; traffic goes on meanwhile`);
      },
    });
    await this.#process.start();
    while (!this.link.isReady) {
      const { trouble } = this.#process;
      if (trouble !== '') {
        const words = this.#lastWords.replace(/^heddle: /, '');
        throw new Error(`the control plane cannot be started (it ${trouble}): ${words}`);
      }
      await new Promise((wake) => setTimeout(wake, LOOK_MS));
    }
    this.#wasReady = true;
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  #command(): string[] {
    const { options, placement, state, controlPort } = this.#mesh;
    const { address, port } = placement.discovery;
    const tokenFile = join(options.runtime, 'page-token');
    writeFileSync(tokenFile, options.token, { mode: 0o600 });
    const directory = join(state, 'control');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return [
      ...selfCommand(),
      ...['control', '--config', join(state, 'generated'), '--config-application', options.directory],
      ...['--config-overlay', overlayDirectory(options.directory), '--state-dir', directory],
      ...['--secure-address', `${address}:${port}`, '--grpc-address', '127.0.0.1:0'],
      ...['--http-address', `127.0.0.1:${controlPort}`, '--page-token-file', tokenFile],
      ...['--assign-addresses', '--parent-fd', '3'],
    ];
  }

  async #run(command: readonly string[], events: SpawnEvents): Promise<RunningProgram | null> {
    const spec = { name: 'control', command, environment: ownEnvironment(), directory: process.cwd(), user: null };
    const where = { network: null, isOutside: false };
    const program = await this.#mesh.spawner.start({ ...spec, inherits: 'socket' }, where, events);
    if (program?.socket != null) this.link.attach(program.socket);
    return program;
  }

  /** What is wrong with a file is said where its author looks. */
  #tellFinding(text: string): void {
    const found = /^\[[^\]]*\]\[\d+\]\[(warning|error)\]\[[^\]]*\] (.*)$/.exec(text);
    if (found !== null) this.#mesh.narrator.tell('control', found[2] as string);
  }
}
