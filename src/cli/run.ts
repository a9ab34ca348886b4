// Picks the verb and loads only its file; prints usage and version.
import { readFileSync } from 'node:fs';

const VERBS: Readonly<Record<string, { readonly summary: string; run(args: string[]): Promise<void> }>> = {
  proxy: {
    summary: 'run the proxy on an Envoy configuration: heddle proxy -c envoy.yaml',
    run: async (args) => (await import('./proxy.ts')).runProxy(args),
  },
};

/** Version of the package; two layouts: src/cli/ in a clone, dist/ in the published package. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { name?: string; version?: string };
      if (manifest.name === 'heddle' && manifest.version !== undefined) return manifest.version;
    } catch {
      // The other layout.
    }
  }
  return 'unknown';
}

function usage(): string {
  const verbs = Object.entries(VERBS).map(([name, verb]) => `  ${name.padEnd(10)} ${verb.summary}`);
  return ['usage: heddle VERB [OPTIONS]', '', ...verbs, '', 'heddle VERB --help tells the options of a verb.', ''].join('\n');
}

export async function run(args: string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return;
  }
  if (name === '--version') {
    process.stdout.write(`heddle ${packageVersion()}\n`);
    return;
  }
  const verb = VERBS[name];
  if (verb === undefined) {
    process.stderr.write(`heddle: no verb ${JSON.stringify(name)}\n\n${usage()}`);
    process.exitCode = 1;
    return;
  }
  await verb.run(rest);
}
