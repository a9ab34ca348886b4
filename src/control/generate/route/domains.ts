// Domains of virtual hosts: every name and address by which callers know a service.
import { parseIp } from '../../../base/ip.ts';
import type { Families } from '../../model/proxy.ts';
import type { Service } from '../../model/service.ts';

/** What of a service its domains depend on. */
export type NamedService = Pick<
  Service,
  'hostname' | 'aliases' | 'addresses' | 'autoAddresses' | 'registry' | 'resolution' | 'isHeadless'
>;

/** What of a caller they depend on. */
export type NamingCaller = {
  /** 'bookinfo.svc.cluster.local': names in it may be short. */
  readonly dnsDomain: string;
  readonly families: Families;
  /** Its names are resolved by the proxy, to made-up addresses where services have none. */
  readonly dnsCapture: boolean;
};

export type Domains = {
  readonly domains: readonly string[];
  /** The same in lower case: domains that differ in nothing else are one. */
  readonly ids: readonly string[];
  /** Those among them that are short forms: where one is another service's own name, that one has it. */
  readonly shortForms: ReadonlySet<string>;
};

/** 'HOST:PORT'. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An IPv6 address as it stands in requests. */
export function domainOf(host: string): string {
  return host.includes(':') && parseIp(host) !== null ? `[${host}]` : host;
}

/** What was made for a service (never changed in place) and callers of one kind: tables are planned again and again. */
const made = new WeakMap<NamedService, Map<string, Domains>>();

/** `port`: domains are also written with it; 0: the table ignores ports. */
export function serviceDomains(service: NamedService, port: number, caller: NamingCaller): Domains {
  const known = made.get(service) ?? new Map<string, Domains>();
  made.set(service, known);
  const key = `${port} ${caller.dnsDomain} ${caller.families} ${caller.dnsCapture}`;
  const found = known.get(key) ?? makeDomains(service, port, caller);
  known.set(key, found);
  return found;
}

/** Domains of a host that is no service. */
export function plainDomains(domains: readonly string[]): Domains {
  return { domains, ids: domains.map((domain) => domain.toLowerCase()), shortForms: NO_FORMS };
}

const NO_FORMS: ReadonlySet<string> = new Set();

function makeDomains(service: NamedService, port: number, caller: NamingCaller): Domains {
  const domains: string[] = [];
  const shortForms = new Set<string>();
  const add = (host: string): void => {
    domains.push(domainOf(host));
    if (port !== 0) domains.push(hostPort(host, port));
  };
  for (const host of [service.hostname, ...service.aliases]) {
    add(host);
    if (parseIp(host) === null && !host.endsWith('.') && host !== '*') add(`${host}.`);
    const start = domains.length;
    for (const form of shortNames(host, caller.dnsDomain)) add(form);
    for (const form of domains.slice(start)) shortForms.add(form);
  }
  const isKubernetes = service.registry === 'Kubernetes';
  if (isKubernetes && service.resolution === 'Passthrough') domains.push(...domains.map((domain) => `*.${domain}`));
  for (const address of callerAddresses(service, caller)) add(address);
  return { ...plainDomains(domains), shortForms };
}

/** Shorter forms of a Kubernetes service's name that the caller's resolver completes; none for other names. */
function shortNames(host: string, dnsDomain: string): string[] {
  const end = host.indexOf('.svc.');
  const callerEnd = dnsDomain.indexOf('.svc.');
  if (end <= 0 || callerEnd <= 0 || !host.endsWith(dnsDomain.slice(callerEnd))) return [];
  const dot = host.indexOf('.');
  if (dot >= end) return [];
  const qualified = host.slice(0, end);
  if (host.slice(dot + 1, end) !== dnsDomain.slice(0, callerEnd)) return [qualified, `${qualified}.svc`];
  return [host.slice(0, dot), `${qualified}.svc`, qualified];
}

/** The addresses under which this caller reaches it: of its families if there are some. */
function callerAddresses(service: NamedService, caller: NamingCaller): readonly string[] {
  const { addresses, autoAddresses } = service;
  if (service.registry === 'External' && addresses.length > 0) return addresses.slice(0, 1);
  if (addresses.length === 0) {
    if (!caller.dnsCapture) return [];
    return [autoAddresses.v4, autoAddresses.v6].filter((address) => address !== '' && isReached(address, caller));
  }
  const reached = addresses.filter((address) => isReached(address, caller));
  return reached.length > 0 ? reached : addresses.slice(0, 1);
}

function isReached(address: string, { families }: NamingCaller): boolean {
  return families.includes(address.includes(':') ? 'v6' : 'v4');
}
