// The two halves of HBONE as two proxies, each Heddle or the real Envoy: one begins tunnels, the other one ends them.
import {
  any,
  bootstrap,
  cluster,
  type Fields,
  fillPlaceholders,
  filter,
  http,
  toYaml,
} from '../differential/config.ts';
import { http2Cluster } from '../differential/cases/http2-exchange.ts';
import {
  httpState,
  inner,
  INTERNAL_EXTENSION,
  networkState,
  outer,
  passing,
  RESTORE,
  tcpProxy,
  toInternal,
} from '../differential/cases/internal-config.ts';
import { ca, certificate, client, downstreamTls } from '../differential/cases/tls-fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { scratchFolder } from './heddle.ts';

const DESTINATION = 'envoy.filters.listener.original_dst';
const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** Takes part with a client certificate, and lets nobody in without one. */
const mutualTls: Fields = {
  name: 'envoy.transport_sockets.tls',
  typed_config: any(UPSTREAM_TLS, {
    sni: 'test.example',
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_certificates: [certificate(client)],
      validation_context: {
        trusted_ca: { inline_string: ca.pem },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://test/server' } }],
      },
    },
  }),
};

/** Plain connections to the listener `to-NAME` go to `{{backend.NAME}}`, which the other half knows by its address. */
function originate(names: readonly string[]): Fields {
  const to = (name: string): Fields =>
    toInternal(name, 'connect_originate', passing([`host.${DESTINATION}`]), {
      metadata: { filter_metadata: { [DESTINATION]: { local: `127.0.0.1:{{backend.${name}}}` } } },
    });
  const fields = {
    tunneling_config: {
      hostname: '%DOWNSTREAM_LOCAL_ADDRESS%',
      headers_to_add: [{ header: { key: 'baggage', value: 'from=%FILTER_STATE(from:PLAIN)%' } }],
    },
    max_connect_attempts: 2,
  };
  return bootstrap({
    listeners: [
      ...names.map((name) => outer(`to-${name}`, name, [networkState(['from', 'envoy.string', name, 'ONCE'])])),
      inner('connect_originate', [tcpProxy('connect_originate', 'hbone', fields)], RESTORE),
    ],
    clusters: [
      ...names.map(to),
      {
        ...http2Cluster('hbone', { allow_connect: true }),
        load_assignment: cluster('hbone', ['listen.hbone'])['load_assignment'],
        transport_socket: mutualTls,
      },
    ],
    around: INTERNAL_EXTENSION,
  });
}

function terminate(): Fields {
  const tunnels = http({
    name: 'hbone',
    log: null,
    filters: [
      httpState([
        [`${DESTINATION}.local_ip`, `${DESTINATION}.local_ip`, '%REQ(:AUTHORITY)%', 'ONCE'],
        ['peer', 'envoy.hashable_string', '%DOWNSTREAM_PEER_URI_SAN%', 'ONCE'],
        ['baggage', 'envoy.string', '%REQ(BAGGAGE)%', 'ONCE'],
      ]),
    ],
    hcm: {
      codec_type: 'HTTP2',
      http2_protocol_options: { allow_connect: true, max_concurrent_streams: 100 },
      stream_idle_timeout: '0s',
      upgrade_configs: [{ upgrade_type: 'CONNECT' }],
    },
    routes: [
      {
        match: { connect_matcher: {} },
        route: { cluster: 'main_internal', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
      },
    ],
  }) as { filter_chains: readonly Fields[] };
  const tls = downstreamTls({ requires: true, common: { alpn_protocols: ['h2'] } });
  const log = 'peer=%FILTER_STATE(peer:PLAIN)% %FILTER_STATE(baggage:PLAIN)% to=%DOWNSTREAM_LOCAL_ADDRESS%\n';
  const told = filter('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
    path: '{{log}}',
    log_format: { text_format_source: { inline_string: log } },
  });
  return bootstrap({
    listeners: [
      { ...tunnels, filter_chains: [{ ...tunnels.filter_chains[0], transport_socket: tls }] },
      inner('main_internal', [tcpProxy('main_internal', 'original', { access_log: [told] })], RESTORE),
    ],
    clusters: [
      toInternal('main_internal', 'main_internal', passing()),
      { name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' },
    ],
    around: INTERNAL_EXTENSION,
  });
}

export type HboneRig = {
  readonly origin: ProxyProcess;
  readonly end: ProxyProcess;
  /** The port of the listener whose connections go to that backend. */
  readonly portTo: (name: string) => number;
  /** What the end of the tunnels logs. */
  readonly logPath: string;
  stop(): Promise<void>;
};

/** Both proxies, in front of backends that listen already. */
export async function startHbone(
  kinds: { readonly origin: ProxyKind; readonly end: ProxyKind },
  backends: Readonly<Record<string, number>>,
): Promise<HboneRig> {
  const directory = scratchFolder();
  const logPath = `${directory}/tunnels.log`;
  const names = Object.keys(backends);
  const values = new Map<string, string | number>([
    ['listen.hbone', await freePort()],
    ['log', logPath],
    ...Object.entries(backends).map(([name, port]) => [`backend.${name}`, port] as const),
  ]);
  for (const name of names) values.set(`listen.to-${name}`, await freePort());
  const start = async (kind: ProxyKind, config: Fields): Promise<ProxyProcess> => {
    const own = new Map([...values, ['listen.barrier', await freePort()] as const]);
    return startProxy(kind, fillPlaceholders(toYaml(config), own), scratchFolder());
  };
  const end = await start(kinds.end, terminate());
  const origin = await start(kinds.origin, originate(names));
  return {
    origin,
    end,
    portTo: (name) => values.get(`listen.to-${name}`) as number,
    logPath,
    stop: async () => {
      await origin.stop();
      await end.stop();
    },
  };
}
