// Which of the recent requests are shown.
import type { NumberedRequest } from '../../src/control/telemetry/page-types.ts';

export type Filter = {
  readonly status: string;
  readonly workload: string;
  readonly flags: string;
  readonly text: string;
};

export const STATUS_CHOICES = [
  ['', 'any answer'],
  ['failed', 'failed'],
  ['2xx', '2xx'],
  ['3xx', '3xx'],
  ['4xx', '4xx'],
  ['5xx', '5xx'],
  ['0xx', 'no answer'],
] as const;

export function hasFlags({ flags }: Pick<NumberedRequest, 'flags'>): boolean {
  return flags !== '-' && flags !== '';
}

/** A connection, which has neither request nor answer. */
export function isTcp({ method, status }: Pick<NumberedRequest, 'method' | 'status'>): boolean {
  return method === '' && status === 0;
}

export function isFailed(one: Pick<NumberedRequest, 'method' | 'status' | 'flags'>): boolean {
  return isTcp(one) ? hasFlags(one) : one.status === 0 || one.status >= 500;
}

/** 'reviews-v1-2' is a process of 'reviews-v1'. */
function isOf(name: string, workload: string): boolean {
  return name === workload || (name.startsWith(`${workload}-`) && /^\d+$/.test(name.slice(workload.length + 1)));
}

export function isMeant(one: NumberedRequest, { status, workload, flags, text }: Filter): boolean {
  if (status === 'failed' && !isFailed(one)) return false;
  if (status.endsWith('xx') && (isTcp(one) || Math.floor(one.status / 100) !== Number(status[0]))) return false;
  if (workload !== '' && ![one.source, one.destination, one.by].some((name) => isOf(name, workload))) return false;
  if (flags === '*' && !hasFlags(one)) return false;
  if (flags !== '' && flags !== '*' && !one.flags.split(',').includes(flags)) return false;
  if (text === '') return true;
  const fields = [one.path, one.authority, one.method, one.requestId, one.details, one.peer];
  return fields.some((field) => field.toLowerCase().includes(text.toLowerCase()));
}

/** What there is to choose from. */
export function choicesOf(requests: readonly NumberedRequest[]): {
  readonly workloads: readonly string[];
  readonly flags: readonly string[];
} {
  const workloads = new Set(requests.flatMap(({ source, destination }) => [source, destination]));
  const flags = new Set(requests.filter(hasFlags).flatMap((one) => one.flags.split(',')));
  workloads.delete('');
  return { workloads: [...workloads].sort(), flags: [...flags].sort() };
}
