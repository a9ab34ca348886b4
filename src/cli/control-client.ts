// How commands find the control plane of a mesh, and ask it.
import { readFileSync } from 'node:fs';
import { findMesh, type MeshLocation } from '../up/location.ts';
import type { OptionSpec } from './command/spec.ts';
import { UsageError } from './command/parse.ts';

const DEFAULT_CONTROL = 'http://127.0.0.1:15014';

/** What all verbs take that ask a mesh. */
export const MESH_OPTIONS = {
  dir: {
    type: 'string',
    value: 'DIR',
    complete: 'directory',
    help: 'the mesh of that directory (the one around here)',
  },
  control: { type: 'string', value: 'URL', help: `pages of the control plane (the mesh's, or ${DEFAULT_CONTROL})` },
  token: { type: 'string', value: 'FILE', complete: 'file', help: "with its bearer token (the mesh's)" },
} as const satisfies Record<string, OptionSpec>;

/** The same for verbs that read their options themselves. */
export const MESH_PARSE_OPTIONS = {
  dir: { type: 'string' },
  control: { type: 'string' },
  token: { type: 'string' },
} as const;
export const MESH_HELP = Object.entries(MESH_OPTIONS)
  .map(([name, { value, help }]) => `  ${`--${name} ${value}`.padEnd(17)} ${help}`)
  .join('\n');

export type MeshValues = {
  readonly dir?: string | undefined;
  readonly control?: string | undefined;
  readonly token?: string | undefined;
};

export type ControlPlace = {
  readonly url: string;
  readonly token: string | null;
  /** Null where only a URL is known. */
  readonly mesh: MeshLocation | null;
  /** Why no mesh was found. */
  readonly missing: string | null;
};

/**
 * Throws a sentence for the operator where a mesh was named and is not there (but with `mayRest`: a mesh that does not
 * run is a directory with files), or where several are meant.
 */
export function findControl({ dir, control, token }: MeshValues, mayRest = false): ControlPlace {
  const found = findMesh(dir ?? null);
  const mesh = typeof found === 'string' ? null : found;
  const missing = typeof found === 'string' ? found : null;
  const isPlain = missing === null || control !== undefined;
  if (!isPlain && (dir !== undefined ? !mayRest : !missing.startsWith('no mesh runs'))) throw new Error(missing);
  // The token of a mesh is for its own control plane.
  const isOwn = mesh !== null && (control === undefined || control === mesh.control);
  return {
    url: control ?? mesh?.control ?? DEFAULT_CONTROL,
    token: token === undefined ? (isOwn ? mesh.token : null) : readToken(token),
    ...{ mesh, missing },
  };
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--token ${file}: it cannot be read: ${(error as Error).message}`);
  }
}

export type ControlAnswer = { readonly status: number; readonly body: unknown };

/** The answer's JSON, whatever its status; throws a sentence for the operator. */
export async function askControl(place: ControlPlace, path: string): Promise<ControlAnswer> {
  const { status, text } = await fetchControl(place, path);
  try {
    return { status, body: JSON.parse(text) as unknown };
  } catch {
    throw new Error(`${place.url}${path} answered ${status}: ${text.trim()}`);
  }
}

export async function fetchControl(place: ControlPlace, path: string): Promise<{ status: number; text: string }> {
  const { url, token, missing } = place;
  let response: Response;
  try {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    response = await fetch(new URL(path, url), { headers });
  } catch (error) {
    const cause = (error as Error).cause;
    const why = cause instanceof Error ? cause.message : (error as Error).message;
    const remedy = missing ?? 'is heddle control running, with this --http-address?';
    throw new Error(`${url} does not answer (${why}): ${remedy}`);
  }
  if (response.status === 401 || response.status === 403) {
    const said = token === null ? 'it wants a token: name the file with --token' : 'it does not take this token';
    throw new Error(`${url} refused to answer (${response.status}): ${said}, or the mesh with --dir`);
  }
  return { status: response.status, text: await response.text() };
}
