// An authority for tests: in a directory of its own, on a clock that the test moves, with OpenSSL as the judge.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock } from '../../src/base/clock.ts';
import { Authority, type AuthorityOptions, DEFAULT_AUTHORITY } from '../../src/ca/authority.ts';
import { selfMade } from '../../src/ca/issuer-source.ts';
import { CaMetrics } from '../../src/ca/metrics.ts';
import { MetricRegistry } from '../../src/telemetry/prometheus.ts';

export type CaRig = {
  readonly authority: Authority;
  readonly clock: Clock;
  readonly lines: string[];
  readonly registry: MetricRegistry;
  readonly waiting: string[];
  readonly options: AuthorityOptions;
  close(): void;
};

export function scratchDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'heddle-ca-'));
}

/** What is not said is as by default, but self-made in a new directory, on a clock that stands still. */
export async function openCa(more: Partial<AuthorityOptions> = {}): Promise<CaRig> {
  const directory = scratchDirectory();
  const lines: string[] = [];
  const registry = new MetricRegistry();
  const waiting: string[] = [];
  const options: AuthorityOptions = {
    ...DEFAULT_AUTHORITY,
    clock: new Clock({ manual: true, wallMs: Date.now() }),
    log: { write: (level, text) => lines.push(`${level}: ${text}`) },
    metrics: new CaMetrics(registry),
    trustDomain: 'cluster.local',
    trustDomainAliases: ['old.local'],
    source: more.source ?? selfMade(join(directory, 'ca'), null),
    waitingFor: () => waiting,
    ...more,
  };
  const authority = await Authority.open(options);
  if (typeof authority === 'string') {
    rmSync(directory, { recursive: true, force: true });
    throw new Error(authority);
  }
  const close = (): void => {
    authority.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { authority, clock: options.clock, lines, registry, waiting, options, close };
}

/** What OpenSSL says; throws with its complaint where it refuses. */
export function openssl(args: readonly string[], input = ''): string {
  return execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();
}

/** Whether OpenSSL believes the chain (the leaf first) under the roots at that time; else its complaint. */
export function verifyChain(
  chain: readonly string[],
  roots: string,
  atMs: number,
  more: readonly string[] = [],
): string {
  const directory = scratchDirectory();
  try {
    const path = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const [leaf = '', ...others] = chain;
    const untrusted = others.length === 0 ? [] : ['-untrusted', path('chain.pem', others.join(''))];
    const time = ['-attime', String(Math.floor(atMs / 1000))];
    const args = ['verify', '-x509_strict', ...time, ...more, '-CAfile', path('roots.pem', roots), ...untrusted];
    return openssl([...args, path('leaf.pem', leaf)]).endsWith('OK\n') ? 'OK' : 'refused';
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
