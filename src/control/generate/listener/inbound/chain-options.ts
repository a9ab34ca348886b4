// Which connections an inbound port takes, by mTLS mode and protocol: a chain for each way to come in.
import type { MtlsMode } from '../../../model/policy.ts';

export type ChainOption = {
  readonly applicationProtocols: readonly string[];
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly isHttp: boolean;
  /** Whether the proxy ends TLS here; without, TLS is the application's own. */
  readonly endsTls: boolean;
};

/** How the port's connections are read: as HTTP, as bytes, or as the proxy finds them. */
export type Reading = 'http' | 'tcp' | 'auto';

/** What proxies of the mesh offer for HTTP that they looked into. */
const MESH_HTTP = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const MESH_TCP = ['istio-peer-exchange', 'istio'];
const MESH_ANY = ['istio', 'istio-peer-exchange', ...MESH_HTTP];

export function chainOptions(mode: MtlsMode, reading: Reading, http10: boolean): readonly ChainOption[] {
  const plainHttp = http10 ? ['http/1.0', 'http/1.1', 'h2c'] : ['http/1.1', 'h2c'];
  const isHttp = reading === 'http';
  if (mode === 'STRICT') {
    if (reading !== 'auto') return [tls([], isHttp)];
    return [tls(MESH_HTTP, true), tls([], false)];
  }
  if (mode === 'DISABLE') {
    if (reading !== 'auto') return [plain([], isHttp)];
    return [plain(plainHttp, true), plain([], false)];
  }
  if (reading === 'http') return [tls(MESH_ANY, true), plain([], true)];
  if (reading === 'tcp') return [tls(MESH_ANY, false), OWN_TLS, plain([], false)];
  return [tls(MESH_HTTP, true), plain(plainHttp, true), tls(MESH_TCP, false), plain([], false), OWN_TLS];
}

/** A server of a Sidecar that ends TLS with a certificate of its own. */
export function serverOptions(isHttp: boolean): readonly ChainOption[] {
  return [tls([], isHttp)];
}

const OWN_TLS: ChainOption = { applicationProtocols: [], transportProtocol: 'tls', isHttp: false, endsTls: false };

function tls(applicationProtocols: readonly string[], isHttp: boolean): ChainOption {
  return { applicationProtocols, transportProtocol: 'tls', isHttp, endsTls: true };
}

function plain(applicationProtocols: readonly string[], isHttp: boolean): ChainOption {
  return { applicationProtocols, transportProtocol: 'raw_buffer', isHttp, endsTls: false };
}
