// Options of capture: defaults, sources and their order, and what is said of values that are wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatCidr } from '../../base/ip.ts';
import { portText } from './lists.ts';
import { iptablesText } from './iptables-text.ts';
import { nftText } from './nft-text.ts';
import { mergeSources, OPTIONS, type OptionName, type OptionTexts, readOptions } from './options.ts';
import { planCapture } from './planner.ts';

const SURROUNDINGS = {
  passwd: 'root:x:0:0::/root:/bin/sh\nistio-proxy:x:1337:1337::/:/bin/false\n',
  group: 'mesh:x:4000:\n',
  resolvConf: '# nothing\nnameserver 10.0.0.10\n',
  hasIpv6: true,
};

function read(texts: OptionTexts): ReturnType<typeof readOptions> {
  return readOptions(texts, SURROUNDINGS);
}

test('without options a pod is captured as Istio injects it', () => {
  const { options, notes, errors } = read({});
  assert.deepEqual([notes, errors], [[], []]);
  assert.equal(options.proxyPort, 15001);
  assert.equal(options.inboundCapturePort, 15006);
  assert.equal(options.inboundPorts, 'all');
  assert.equal(options.outboundCidrs, 'all');
  const excluded = options.inboundPortsExcluded.map((range) => portText(range));
  assert.deepEqual(excluded, ['15020', '15021', '15090']);
  assert.deepEqual([options.proxyUids, options.proxyGids], [[1337], [1337]]);
  assert.equal(options.ipv6, true);
});

test('names of users and groups become numbers', () => {
  const { options } = read({ 'proxy-uid': 'istio-proxy,root', 'proxy-gid': 'mesh' });
  assert.deepEqual([options.proxyUids, options.proxyGids], [[1337, 0], [4000]]);
});

test('lists are put in order, and that is said', () => {
  const { options, notes, errors } = read({
    'istio-local-exclude-ports': '90,80-85, 82-88,90',
    'istio-service-cidr': '10.1.2.3/8,10.5.0.0/16,fd00::1/8',
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(
    options.inboundPortsExcluded.map((range) => portText(range)),
    ['80-88', '90'],
  );
  assert.ok(options.outboundCidrs !== 'all');
  assert.deepEqual(options.outboundCidrs.map(formatCidr), ['10.0.0.0/8', 'fd00::/8']);
  assert.deepEqual(notes, [
    '--istio-local-exclude-ports: 82-88 overlaps 80-85; taken as 80-88',
    '--istio-local-exclude-ports: 90 overlaps 90; taken as 90',
    '--istio-service-cidr: 10.1.2.3/8 has bits behind its prefix; taken as 10.0.0.0/8',
    '--istio-service-cidr: fd00::1/8 has bits behind its prefix; taken as fd00::/8',
    '--istio-service-cidr: 10.5.0.0/16 is already in 10.0.0.0/8',
  ]);
});

test('what is wrong is said with what to write instead', () => {
  const rows: readonly (readonly [OptionTexts, RegExp])[] = [
    [{ 'envoy-port': '0' }, /--envoy-port takes a number from 1 to 65535, not "0"/],
    [{ 'envoy-port': 'x' }, /--envoy-port takes a number/],
    [{ 'istio-inbound-ports': '80,http' }, /"http" is no port \(1 to 65535\) and no range/],
    [{ 'istio-inbound-ports': '70000' }, /"70000" is no port/],
    [{ 'istio-inbound-ports': '90-80' }, /the range 90-80 ends before it begins; write 80-90/],
    [{ 'istio-service-cidr': '10.0.0.0/33' }, /"10.0.0.0\/33" is no CIDR; write 10.0.0.0\/8 or fd00::\/8/],
    [{ 'istio-service-cidr': 'fe80::1%eth0/64' }, /is no CIDR/],
    [{ 'istio-service-cidr': '::ffff:10.0.0.0/104' }, /is IPv4 inside IPv6, which no packet has/],
    [{ 'istio-service-exclude-cidr': '*' }, /"\*" is no CIDR/],
    [{ 'istio-exclude-interfaces': 'a-name-that-is-too-long' }, /is no name of an interface \(at most 15 characters\)/],
    [{ 'istio-exclude-interfaces': 'a"b' }, /is no name of an interface/],
    [{ 'proxy-uid': 'nobody-here' }, /there is no "nobody-here" in \/etc\/passwd; write its number, or create it/],
    [{ 'proxy-gid': 'nobody-here' }, /there is no "nobody-here" in \/etc\/group/],
    [{ 'proxy-uid': '4294967295' }, /4294967295 is beyond the highest id/],
    [{ 'proxy-uid': ',' }, /--proxy-uid and --proxy-gid are both empty: the proxy would capture itself/],
    [{ 'istio-inbound-interception-mode': 'redirect' }, /takes REDIRECT, TPROXY or NONE, not "redirect"/],
    [{ 'istio-inbound-tproxy-route-table': '254' }, /takes a number from 1 to 252, not "254"/],
    [{ 'istio-outbound-ipv4-loopback-cidr': '10.0.0.0/8' }, /takes a range of 127.0.0.0\/8/],
    [{ 'redirect-dns': 'maybe' }, /--redirect-dns is true or false, not "maybe"/],
    [{ ipv6: 'yes' }, /--ipv6 takes on, off or auto/],
    [{ 'dns-port': '15001' }, /--dns-port and --envoy-port are both 15001; give each its own/],
    [{ 'istio-outbound-owner-groups': Array.from({ length: 65 }, (_, i) => i).join() }, /has 65 groups, at most 64/],
    [{ 'istio-inbound-ports': Array.from({ length: 5000 }, (_, i) => i + 1).join() }, /has 5000 entries, at most 4096/],
  ];
  for (const [texts, message] of rows) {
    const { errors } = read(texts);
    assert.equal(errors.length, 1, JSON.stringify(texts));
    assert.match(errors[0] as string, message);
  }
});

test('what has no effect is said', () => {
  assert.match(
    read({ 'istio-inbound-ports': '80', 'istio-local-exclude-ports': '90' }).notes[0] ?? '',
    /no effect unless/,
  );
  assert.match(read({ 'capture-all-dns': 'true' }).notes[0] ?? '', /no effect without --redirect-dns/);
  assert.match(read({ 'istio-inbound-ports': '15008' }).notes[0] ?? '', /15008 is the port of tunnels/);
  const groups = { 'istio-outbound-owner-groups': '1', 'istio-outbound-owner-groups-exclude': '2' };
  assert.match(read(groups).notes[0] ?? '', /no effect unless/);
  const none = readOptions({ 'redirect-dns': '1' }, { ...SURROUNDINGS, resolvConf: 'nameserver x\n' });
  assert.match(none.notes[0] ?? '', /names no server, so DNS is not captured/);
  assert.equal(none.options.dns, null);
});

test('IPv6 is taken where the system has it, unless it is said', () => {
  assert.equal(readOptions({}, { ...SURROUNDINGS, hasIpv6: false }).options.ipv6, false);
  assert.equal(readOptions({ 'dual-stack': 'true' }, { ...SURROUNDINGS, hasIpv6: false }).options.ipv6, true);
  assert.equal(read({ ipv6: 'off' }).options.ipv6, false);
});

test('flags come before annotations, and those before the environment', () => {
  const environment = { PROXY_UID: '5', ISTIO_META_DNS_CAPTURE: 'true', ENVOY_PORT: '1', ISTIO_SERVICE_CIDR: '' };
  const annotations = {
    'sidecar.istio.io/interceptionMode': 'TPROXY',
    'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0/8',
    'traffic.sidecar.istio.io/excludeInboundPorts': '22,15090',
    'traffic.sidecar.istio.io/kubevirtInterfaces': 'tap0',
    'traffic.sidecar.istio.io/nonsense': '1',
    'app.kubernetes.io/name': 'x',
  };
  const { texts, notes } = mergeSources({ 'envoy-port': '2' }, annotations, environment);
  assert.deepEqual(texts, {
    'envoy-port': '2',
    'proxy-uid': '5',
    'istio-inbound-interception-mode': 'TPROXY',
    'istio-local-exclude-ports': '15090,15021,15020,22',
    'istio-service-cidr': '10.0.0.0/8',
    'kube-virt-interfaces': 'tap0',
    'redirect-dns': 'true',
  });
  assert.deepEqual(notes, ['the annotation traffic.sidecar.istio.io/nonsense is unknown and changes nothing']);
  const status = mergeSources({}, { 'status.sidecar.istio.io/port': '16020' }, {});
  assert.equal(status.texts['istio-local-exclude-ports'], '15090,15021,15020,16020');
});

test('whatever is written, it is refused or becomes rules in lines of known words', () => {
  const names = Object.keys(OPTIONS) as OptionName[];
  const plausible = fc.constantFrom(
    '*',
    '',
    '80',
    '80-90,85',
    '10.0.0.0/8',
    '::/0',
    'eth0',
    'eth+',
    'TPROXY',
    'true',
    'on',
    'root',
  );
  const text = fc.oneof(
    { weight: 4, arbitrary: plausible },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  );
  const arbitrary = fc.array(fc.tuple(fc.constantFrom(...names), text), { maxLength: 8 });
  let planned = 0;
  fc.assert(
    fc.property(arbitrary, (entries) => {
      const { options, errors } = read(Object.fromEntries(entries) as OptionTexts);
      if (errors.length > 0) return;
      planned++;
      const plan = planCapture(options);
      for (const line of nftText(plan).split('\n')) assert.match(line, /^[\w\s"{},.:;=!/+*()@-]*$/);
      for (const family of ['ipv4', 'ipv6'] as const) {
        for (const line of iptablesText(plan, family).split('\n')) assert.match(line, /^[\w\s",.:;!/+*[\]()@-]*$/);
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(planned > 50, String(planned));
});
