// A proxy, Envoy or Heddle, on what a real istiod sent: for whoever reads what its admin interface tells of it.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Capture, openCapture } from '../captures/captures.ts';
import { agentBootstrap, type Identities, serveCapture, serveIdentity } from '../captures/serve.ts';
import { AdsServer } from '../support/ads-server.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';

const LISTENER_URL = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const LONGEST_MS = 20_000;

export type ConfiguredProxy = { readonly proxy: ProxyProcess; stop(): Promise<void> };

/** No listener opens a port: those of the capture may be taken. */
function withoutPorts(capture: Capture): Capture {
  const types = new Map(capture.types);
  const listeners = capture.types.get(LISTENER_URL) ?? [];
  types.set(
    LISTENER_URL,
    listeners.map(({ name, json }) => ({ name, json: { ...json, bind_to_port: false } })),
  );
  return { ...capture, types };
}

export async function startOnCapture(
  kind: ProxyKind,
  name: string,
  { identities, own }: { readonly identities: Identities; readonly own: TestCertificate },
  folder: string,
): Promise<ConfiguredProxy> {
  const capture = withoutPorts(openCapture(name));
  const ads = new AdsServer();
  serveIdentity(ads, identities, own);
  serveCapture(ads, capture, join(folder, 'access.log'));
  const proxy = await startProxy(kind, agentBootstrap(ads.port, capture, 'GRPC'), folder).catch((error) => {
    ads.stop();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await proxy.stop();
    ads.stop();
  };
  try {
    await settled(proxy, capture);
    return { proxy, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** All listeners are active and all routes that they name are there. */
async function settled(proxy: ProxyProcess, capture: Capture): Promise<void> {
  const wanted = capture.types.get(LISTENER_URL)?.length ?? 0;
  const routes = [...capture.types].find(([type]) => type.endsWith('RouteConfiguration'))?.[1].length ?? 0;
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const { body } = await proxy.admin('/config_dump');
    const count = (text: string): number => body.split(text).length - 1;
    if (count('"active_state"') >= wanted && count('"route_config": {') >= routes) return;
    if (performance.now() > end) {
      throw new Error(`${proxy.kind}: ${count('"active_state"')} of ${wanted} listeners\n${proxy.output.slice(-4000)}`);
    }
    await sleep(50);
  }
}
