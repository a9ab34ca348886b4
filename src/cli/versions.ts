// `heddle version`: of this program, and of what runs of a mesh.
import { defineCommand } from './command/command.ts';
import type { CommandSpec } from './command/spec.ts';
import { adminOf, proxyNames } from './config/admin.ts';
import { type ControlPlace, fetchControl, findControl, MESH_OPTIONS } from './control-client.ts';
import { packageVersion } from './version.ts';

const SPEC = {
  verb: 'version',
  about: 'Prints the versions of this program and of Node, and those of the control plane and the proxies of a mesh.',
  options: {
    short: { type: 'boolean', short: 's', help: 'only the version of this program' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], default: 'text', help: 'or json' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle version', 'all that is known'],
    ['heddle version --short', 'one word, for scripts'],
  ],
} as const satisfies CommandSpec;

type Versions = {
  readonly heddle: string;
  readonly node: string;
  readonly platform: string;
  /** Null: none was found. */
  readonly control: { readonly url: string; readonly version: string } | null;
  readonly proxies: readonly { readonly name: string; readonly version: string }[];
};

export const versions = defineCommand(SPEC, async ({ values }) => {
  const heddle = packageVersion();
  if (values.short) {
    process.stdout.write(`${heddle}\n`);
    return;
  }
  const place = findControl(values);
  // Without a mesh the control plane is asked only where one is named.
  const control = place.mesh === null && values.control === undefined ? null : await controlVersion(place);
  const proxies = place.mesh === null ? [] : await proxyVersions(place.mesh.runtime);
  const all: Versions = {
    ...{ heddle, node: process.version, platform: `${process.platform}-${process.arch}`, control, proxies },
  };
  process.stdout.write(values.output === 'json' ? `${JSON.stringify(all, null, 4)}\n` : textOf(all));
});

const NO_ANSWER = 'does not answer';

async function controlVersion(place: ControlPlace): Promise<Versions['control']> {
  try {
    const { text } = await fetchControl(place, '/version');
    return { url: place.url, version: text.trim() };
  } catch {
    return { url: place.url, version: NO_ANSWER };
  }
}

function proxyVersions(runtime: string): Promise<Versions['proxies']> {
  return Promise.all(
    proxyNames(runtime).map(async (name) => {
      try {
        const { version } = JSON.parse(await adminOf(runtime, name).get('/server_info')) as { version: string };
        return { name, version: shortVersion(version) };
      } catch {
        return { name, version: NO_ANSWER };
      }
    }),
  );
}

/** Envoy's is 'COMMIT/1.40.0/Clean/RELEASE/BoringSSL', Heddle's 'heddle/0.1.0'. */
function shortVersion(text: string): string {
  const [first = '', second] = text.split('/');
  return /^[0-9a-f]{40}$/.test(first) ? `envoy ${second ?? ''}` : text.replace('/', ' ');
}

function textOf({ heddle, node, platform, control, proxies }: Versions): string {
  const counts = new Map<string, number>();
  for (const { version } of proxies) counts.set(version, (counts.get(version) ?? 0) + 1);
  const told = [...counts].map(([version, count]) => `${version} (${count})`).join(', ');
  return [
    `heddle ${heddle} (Node ${node}, ${platform})\n`,
    ...(control === null ? [] : [`control plane: ${control.version} at ${control.url}\n`]),
    ...(proxies.length === 0 ? [] : [`proxies: ${told}\n`]),
  ].join('');
}
