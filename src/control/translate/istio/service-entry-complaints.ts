// What is wrong with a ServiceEntry that its schema lets pass.
import { parseIp } from '../../../base/ip.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint } from '../complaint.ts';
import { UNIX } from '../endpoint-of-workload.ts';
import { partsIn, textIn, textsIn } from '../fields.ts';
import { resolutionOfEntry } from './service-entry.ts';

/** `isTaken`: whether a Service of Kubernetes has the host, in the entry's namespace. */
export function complaintsOfEntry(entry: ConfigObject, isTaken: (hostname: string) => boolean): readonly Complaint[] {
  const objectKey = `ServiceEntry/${entry.namespace}/${entry.name}`;
  const found: Complaint[] = [];
  const say = (severity: Complaint['severity'], fieldPath: string, message: string, remedy: string): void => {
    found.push({ objectKey, fieldPath, message, remedy, severity });
  };
  textsIn(entry.spec, 'hosts').forEach((host, index) => {
    if (!isTaken(host.toLowerCase())) return;
    const message = `${host} is a Service of this namespace already; the entry has no effect on it`;
    say('error', `spec.hosts[${index}]`, message, 'remove the host, or the Service');
  });
  const resolution = resolutionOfEntry(entry.spec);
  const endpoints = partsIn(entry.spec, 'endpoints');
  const isByName = resolution === 'DNSLB' || resolution === 'DNSRoundRobinLB';
  endpoints.forEach((endpoint, index) => {
    const address = textIn(endpoint, 'address');
    const isSocket = address.startsWith(UNIX);
    if (isByName ? !isSocket : isSocket || address === '' || parseIp(address) !== null) return;
    const message = isByName
      ? `a unix socket cannot be resolved, and is left out`
      : `${address} is a name, which resolution ${textIn(entry.spec, 'resolution') || 'NONE'} does not resolve`;
    const remedy = isByName ? 'set resolution: STATIC' : 'write an address, or set resolution: DNS';
    say('error', `spec.endpoints[${index}].address`, message, remedy);
  });
  if (resolution === 'DNSRoundRobinLB' && endpoints.length > 1) {
    const message = 'DNS_ROUND_ROBIN takes one endpoint; the first is used';
    say('error', 'spec.endpoints[1]', message, 'set resolution: DNS, or keep one endpoint');
  }
  return found;
}
