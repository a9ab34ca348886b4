// Combinations of options of capture, with their plans: for golden texts, for the kernel, and beside istio-iptables.
import { parseInterceptFlags } from '../../src/cli/intercept-flags.ts';
import type { Plan } from '../../src/intercept/plan/model.ts';
import { type InterceptOptions, mergeSources, readOptions } from '../../src/intercept/plan/options.ts';
import { planCapture } from '../../src/intercept/plan/planner.ts';

export type InterceptCase = { readonly name: string; readonly flags: string };

/** What Istio's injector passes. */
const POD = '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x= -b * -d 15090,15021,15020';
const PORTS_16 = '1001,1003,1005,1007,1009,1011,1013,1015,1017,1019,1021,1023,1025,1027,1029,1031';

const REDIRECT: readonly (readonly [string, string])[] = [
  ['as the injector has it', POD],
  ['no options', ''],
  ['other ports', '-p 16001 -z 16006 -e 16008'],
  ['one listener for both ways', '-p 15006'],
  ['ports in', '-b 80,443'],
  ['ports in, a range', '-b 8000-8010'],
  ['ports in, many', `-b ${PORTS_16}`],
  ['no ports in', '-b='],
  ['ports out of all', '-d 22,15090'],
  ['ports out of all, a range', '-d 22,9000-9100'],
  ['ports out of all, many', `-d ${PORTS_16},2000-2010`],
  ['no ports out', '-d='],
  ['the tunnel’s port among those in', '-b 80,15008'],
  ['destinations', '-i 10.0.0.0/8'],
  ['destinations of both families', '-i 10.0.0.0/8,fd00::/8,172.16.0.0/12'],
  ['destinations with loopback', '-i 127.0.0.0/8,10.0.0.0/8'],
  ['destinations with IPv6 loopback', '-i ::1/128,fd00::/8'],
  ['one destination', '-i 10.1.2.3/32'],
  ['no destinations', '-i='],
  ['no destinations, but ports', '-i= -q 80,8080'],
  ['destinations excluded', '-x 10.0.0.0/8'],
  ['destinations of both families excluded', '-x 10.0.0.0/8,fd00::/8,192.168.1.0/24'],
  ['destinations, some excluded', '-i 10.0.0.0/8 -x 10.1.0.0/16'],
  ['outbound ports', '-i 10.0.0.0/8 -q 9999'],
  ['outbound ports, many', `-i= -q ${PORTS_16}`],
  ['outbound ports excluded', '-o 22'],
  ['outbound ports excluded, many', `-o ${PORTS_16},3000-3010`],
  ['outbound ports in and out', '-q 80,90 -o 90'],
  ['interfaces excluded', '-c eth7'],
  ['interfaces excluded, a family of names', '-c net1,veth+'],
  ['a virtual interface', '-k tap0'],
  ['virtual interfaces and destinations', '-k tap0,tap1 -i 10.0.0.0/8,fd00::/8'],
  ['a virtual interface without destinations', '-k tap0 -i='],
  ['a virtual interface that is excluded', '-k tap0 -c tap0'],
  ['a user', '-u 2000'],
  ['users', '-u 2000,2001'],
  ['a user and groups', '-u 2000 -g 3000,3001'],
  ['the user root', '-u 0 -g 1337'],
  ['groups', '--istio-outbound-owner-groups 100,101'],
  ['one group', '--istio-outbound-owner-groups 100'],
  ['no groups', '--istio-outbound-owner-groups='],
  ['groups excluded', '--istio-outbound-owner-groups-exclude 100,101'],
  ['wider loopback', '--istio-outbound-ipv4-loopback-cidr 127.0.0.0/8'],
  ['invalid packets', '--drop-invalid'],
  ['dns to known servers', '--redirect-dns'],
  ['dns to all servers', '--redirect-dns --capture-all-dns'],
  ['dns with two users', '--redirect-dns --capture-all-dns -u 2000,2001'],
  ['dns and loopback', '--redirect-dns -i 127.0.0.0/8,10.0.0.0/8'],
  ['dns with groups', '--redirect-dns --istio-outbound-owner-groups 100'],
  ['dns excluded', '--redirect-dns --capture-all-dns -o 53'],
  ['dns and invalid packets', '--redirect-dns --drop-invalid'],
];

const TPROXY: readonly (readonly [string, string])[] = [
  ['tproxy', '-m TPROXY'],
  ['tproxy with another mark and table', '-m TPROXY -t 77 -r 99'],
  ['tproxy with ports', '-m TPROXY -b 80,443'],
  ['tproxy with many ports', `-m TPROXY -b ${PORTS_16},4000-4010`],
  ['tproxy with ports excluded', '-m TPROXY -d 22,9000-9100'],
  ['tproxy without ports', '-m TPROXY -b='],
  ['tproxy with an interface excluded', '-m TPROXY -c eth7'],
  ['tproxy with a virtual interface', '-m TPROXY -k tap0'],
  ['tproxy with users and groups', '-m TPROXY -u 0,2000 -g 1337'],
  ['tproxy with invalid packets', '-m TPROXY --drop-invalid -c eth7'],
  ['tproxy with dns', '-m TPROXY --redirect-dns --capture-all-dns'],
  [
    'tproxy with everything',
    '-m TPROXY -b 80 -i 10.0.0.0/8,fd00::/8 -x 10.1.0.0/16 -q 99 -o 22 -c eth7 -k tap0 --redirect-dns --drop-invalid',
  ],
];

const OTHERS: readonly (readonly [string, string])[] = [
  ['ipv4 only', '--ipv6 off'],
  ['ipv4 only, tproxy', '--ipv6 off -m TPROXY'],
  ['ipv4 only, dns', '--ipv6 off --redirect-dns'],
  ['ipv4 only, destinations of both families', '--ipv6 off -i 10.0.0.0/8,fd00::/8 -x fd01::/16'],
  ['nothing', '-m NONE'],
];

export const CASES: readonly InterceptCase[] = [...REDIRECT, ...TPROXY, ...OTHERS].map(([name, flags]) => ({
  name,
  flags,
}));

export const RESOLV_CONF = 'search a.b\nnameserver 10.0.0.10\nnameserver fd00::a\n';

/** What the flags say, on a machine with IPv6, without users and with the servers above. */
export function optionsOf(flags: string): InterceptOptions {
  const parsed = parseInterceptFlags(['plan', ...flags.split(' ').filter((word) => word !== '')]);
  if (parsed === 'help' || 'error' in parsed) throw new Error(`${flags}: ${JSON.stringify(parsed)}`);
  const { texts } = mergeSources(parsed.options, {}, {});
  const surroundings = { passwd: '', group: '', resolvConf: RESOLV_CONF, hasIpv6: true };
  const { options, errors } = readOptions(texts, surroundings);
  if (errors.length > 0) throw new Error(errors.join('; '));
  return options;
}

export function planOf(flags: string): { readonly options: InterceptOptions; readonly plan: Plan } {
  const options = optionsOf(flags);
  return { options, plan: planCapture(options) };
}
