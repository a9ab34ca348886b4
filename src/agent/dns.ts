// DNS of the workload beside a stock Envoy: the proxy's own server, with the table that the relay takes aside.
import { parseAddress } from '../net/address.ts';
import type { Engine } from '../net/engine.ts';
import { runInSlices } from '../base/slices.ts';
import type { Clock, Random } from '../base/clock.ts';
import { DnsService, dnsSettings } from '../proxy/dns/start-dns.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { nodeId } from './bootstrap/node.ts';
import type { AgentSettings } from './config/settings.ts';

export type DnsParts = { readonly engine: Engine; readonly clock: Clock; readonly random: Random };

/** Null where the applications' questions do not come here (ISTIO_META_DNS_CAPTURE). */
export function agentDns(settings: AgentSettings, { engine, clock, random }: DnsParts): DnsService | null {
  const { metadata, namespace, dnsAddress } = settings;
  const told = dnsAddress === '' ? null : parseAddress(dnsAddress.replace(/^localhost:/, '127.0.0.1:'));
  const node = { id: nodeId(settings), metadata: { ...metadata, NAMESPACE: namespace } };
  const options = { dnsAddresses: told === null || !isCaptured(metadata) ? [] : [told], dnsUpstreams: [] };
  const made = dnsSettings(options, node as never, true);
  if (made.addresses.length === 0) return null;
  const inSlices = runInSlices.bind(null, { clock }) as <T>(
    work: Generator<void, T>,
    done: (result: T) => void,
  ) => void;
  return new DnsService(made, { engine, clock, random, stats: new StatStore(), inSlices });
}

function isCaptured(metadata: Readonly<Record<string, unknown>>): boolean {
  return String(metadata['DNS_CAPTURE']) === 'true';
}
