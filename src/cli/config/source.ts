// Where the configuration that is shown comes from: a workload's proxy, one that was named, or a file.
import { readFileSync } from 'node:fs';
import type { OptionSpec } from '../command/spec.ts';
import { UsageError } from '../command/parse.ts';
import { MESH_OPTIONS, type MeshValues } from '../control-client.ts';
import { adminOfWorkload, namedAdmin } from './admin.ts';
import { ConfigDump } from './dump.ts';

export const SOURCE_OPTIONS = {
  file: {
    type: 'string',
    short: 'f',
    value: 'DUMP',
    complete: 'file',
    help: 'a saved answer of the proxy, or - for stdin',
  },
  admin: { type: 'string', value: 'ADDRESS', help: 'HOST:PORT or socket of the admin interface of any proxy' },
  ...MESH_OPTIONS,
} as const satisfies Record<string, OptionSpec>;

export type SourceValues = MeshValues & { readonly file: string | undefined; readonly admin: string | undefined };

/** What the proxy answers to a question; of a file always the file. */
export type Source = { readonly title: string; readonly isFile: boolean; ask(path: string): Promise<string> };

export async function openSource(values: SourceValues, workload: string | undefined): Promise<Source> {
  const given = [workload, values.file, values.admin].filter((one) => one !== undefined);
  if (given.length === 0) throw new UsageError('WORKLOAD is missing: name one, or use --file or --admin');
  if (given.length > 1) throw new UsageError('name a WORKLOAD, or use --file, or --admin: one of them');
  const { file } = values;
  if (file !== undefined) return { title: file, isFile: true, ask: async () => readDump(file) };
  const admin = values.admin === undefined ? await adminOfWorkload(values, workload ?? '') : namedAdmin(values.admin);
  if (admin.note !== '') process.stderr.write(`heddle: ${admin.note}\n`);
  return { title: admin.title, isFile: false, ask: (path) => admin.get(path) };
}

function readDump(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as Error).message}`);
  }
}

export async function askDump(source: Source, query = ''): Promise<ConfigDump> {
  const dump = ConfigDump.read(await source.ask(`/config_dump${query}`));
  if (typeof dump === 'string') throw new Error(`${source.title}: ${dump}`);
  return dump;
}
