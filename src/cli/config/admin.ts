// A proxy's admin interface: that of a workload of a mesh, or one that was named.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type HttpPlace, httpGet } from '../../net/http-get.ts';
import { nearest } from '../../control/schema/problem.ts';
import { UsageError } from '../command/parse.ts';
import { findControl, type MeshValues } from '../control-client.ts';

const SOCKET = '.admin';

export class ProxyAdmin {
  /** As it is told: 'reviews-v1-1', '127.0.0.1:15000'. */
  readonly title: string;
  /** What is to be said of the choice, '' where nothing was chosen. */
  readonly note: string;
  readonly #place: HttpPlace;

  constructor(title: string, place: HttpPlace, note = '') {
    this.title = title;
    this.note = note;
    this.#place = place;
  }

  /** The body of an answer with status 200; throws a sentence for the operator. */
  async get(path: string): Promise<string> {
    try {
      const { status, text } = await httpGet(this.#place, path);
      if (status === 200) return text;
      throw new Error(`${path} was answered with ${status}: ${text.trim().slice(0, 200)}`);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const isGone = code === 'ECONNREFUSED' || code === 'ENOENT';
      const remedy = isGone ? ': nobody listens there; is the proxy running?' : '';
      throw new Error(`the admin interface of ${this.title} does not answer (${message})${remedy}`);
    }
  }
}

/** `--admin HOST:PORT|PATH` */
export function namedAdmin(text: string): ProxyAdmin {
  if (text.includes('/')) return new ProxyAdmin(text, { socketPath: text });
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  if (match === null) throw new UsageError(`--admin ${text}: expected HOST:PORT or the path of a socket`);
  const host = (match[1] ?? match[2]) || '127.0.0.1';
  return new ProxyAdmin(text, { host, port: Number(match[3]) });
}

/** Names of the processes beside which a proxy runs. */
export function proxyNames(runtime: string): string[] {
  if (!existsSync(runtime)) return [];
  const names = readdirSync(runtime).flatMap((file) => (file.endsWith(SOCKET) ? [file.slice(0, -SOCKET.length)] : []));
  return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

export function adminOf(runtime: string, name: string): ProxyAdmin {
  return new ProxyAdmin(name, { socketPath: join(runtime, `${name}${SOCKET}`) });
}

/**
 * The proxy that a word means: a process (reviews-v1-1), a workload (reviews-v1: its first replica), NAME.NAMESPACE,
 * and each of them as istioctl takes it (pod/reviews-v1-1, deployment/reviews-v1).
 */
export async function adminOfWorkload(values: MeshValues, word: string): Promise<ProxyAdmin> {
  const { mesh, missing } = findControl(values);
  if (mesh === null) {
    throw new Error(`${missing ?? 'no mesh runs'}; a proxy outside of a mesh is named with --admin HOST:PORT`);
  }
  const { runtime } = mesh;
  const names = proxyNames(runtime);
  const name = word.slice(word.indexOf('/') + 1);
  const direct = choose(names, name);
  if (direct !== null) return noted(runtime, name, direct);
  // What follows the last dot may be the namespace; the proxy knows its own.
  const dot = name.lastIndexOf('.');
  const chosen = dot < 0 ? null : choose(names, name.slice(0, dot));
  if (chosen === null) throw new Error(unknownName(name, names));
  const own: string[] = [];
  const elsewhere: string[] = [];
  for (const one of chosen) {
    const namespace = await namespaceOf(adminOf(runtime, one));
    if (namespace === name.slice(dot + 1)) own.push(one);
    else elsewhere.push(`${one} is in namespace ${namespace}`);
  }
  if (own.length === 0) throw new Error(`no workload ${name}: ${elsewhere.join(', ')}`);
  return noted(runtime, name, own);
}

/** Processes of that name, or replicas of that workload. */
function choose(names: readonly string[], name: string): string[] | null {
  if (names.includes(name)) return [name];
  const replicas = names.filter((one) => one.startsWith(`${name}-`) && /^\d+$/.test(one.slice(name.length + 1)));
  return replicas.length === 0 ? null : replicas;
}

function noted(runtime: string, word: string, names: readonly string[]): ProxyAdmin {
  const [first = '', ...others] = names;
  const note = first === word || others.length === 0 ? '' : `${first} is shown; ${word} also has ${others.join(', ')}`;
  const { title } = adminOf(runtime, first);
  return new ProxyAdmin(title, { socketPath: join(runtime, `${first}${SOCKET}`) }, note);
}

function unknownName(name: string, names: readonly string[]): string {
  if (names.length === 0) return `no workload ${name}: no proxy of this mesh has an admin interface yet`;
  const meant = nearest(name, [...names, ...names.map((one) => one.replace(/-\d+$/, ''))]);
  const hint = meant === null ? '' : ` (is ${meant} meant?)`;
  return `no workload ${name}${hint}; there are ${names.join(', ')}`;
}

/** From the node's id: 'sidecar~10.0.0.1~reviews-v1-1.shop~shop.svc.cluster.local'. */
async function namespaceOf(admin: ProxyAdmin): Promise<string> {
  const info = JSON.parse(await admin.get('/server_info')) as {
    node?: { id?: string; metadata?: { NAMESPACE?: string } };
  };
  const { id = '', metadata } = info.node ?? {};
  const pod = id.split('~')[2] ?? '';
  return metadata?.NAMESPACE ?? pod.slice(pod.lastIndexOf('.') + 1);
}
