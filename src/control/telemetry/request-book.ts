// The newest requests of all proxies, and a choice of them.
import type { RecentRequest } from '../../telemetry/mesh-report.ts';
import type { NumberedRequest } from './page-types.ts';

const MAX_REQUESTS = 500;

/** What is not given is not asked for. */
export type RequestFilter = {
  /** '2xx', '404', 'failed': 5xx, no answer, or a connection of TCP with a flag. */
  readonly status: string | null;
  /** As source, destination, or the one that wrote the line; any process of it. */
  readonly workload: string | null;
  /** Part of the response flags; '*': any flag. */
  readonly flags: string | null;
  readonly path: string | null;
};

export class RequestBook {
  #newest: NumberedRequest[] = [];
  #next = 1;

  take(requests: readonly RecentRequest[]): void {
    const numbered = [...requests].sort((a, b) => a.atMs - b.atMs).map((one) => ({ ...one, n: this.#next++ }));
    this.#newest = [...this.#newest, ...numbered].slice(-MAX_REQUESTS);
  }

  /** The latest last. */
  after(n: number): readonly NumberedRequest[] {
    return this.#newest.filter((one) => one.n > n);
  }

  get lastNumber(): number {
    return this.#next - 1;
  }

  /** The newest of those that fit, the latest last. */
  find(filter: RequestFilter, most: number): readonly NumberedRequest[] {
    return this.#newest.filter((one) => fits(one, filter)).slice(-most);
  }
}

function fits(one: RecentRequest, { status, workload, flags, path }: RequestFilter): boolean {
  if (status !== null && !hasStatus(one, status)) return false;
  if (workload !== null && ![one.source, one.destination, one.by].some((name) => isOf(name, workload))) return false;
  if (flags === '*' && !hasFlags(one)) return false;
  if (flags !== null && flags !== '*' && !one.flags.split(',').includes(flags)) return false;
  return path === null || one.path.includes(path);
}

function hasStatus(one: RecentRequest, wanted: string): boolean {
  if (wanted === 'failed') return isTcp(one) ? hasFlags(one) : one.status === 0 || one.status >= 500;
  if (isTcp(one)) return false;
  const ofClass = /^([0-5])xx$/.exec(wanted);
  return ofClass === null ? one.status === Number(wanted) : Math.floor(one.status / 100) === Number(ofClass[1]);
}

/** 'reviews-v1-2' is a process of 'reviews-v1'. */
function isOf(name: string, workload: string): boolean {
  return name === workload || (name.startsWith(`${workload}-`) && /^\d+$/.test(name.slice(workload.length + 1)));
}

/** A connection, which has neither request nor answer. */
const isTcp = ({ method, status }: RecentRequest): boolean => method === '' && status === 0;

const hasFlags = ({ flags }: RecentRequest): boolean => flags !== '-' && flags !== '';
