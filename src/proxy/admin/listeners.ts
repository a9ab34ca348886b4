// Admin endpoints about listeners: which there are, and draining them.
import type { Address } from '../../base/byte-stream.ts';
import { addressText } from '../../net/address.ts';
import type { AdminHandler } from './admin-handler.ts';
import { DRAIN_PARAMS, LISTENERS_PARAMS } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';
import { jsonText } from './json-writer.ts';

/** An address in proto-JSON. */
export function addressJson(address: Address): unknown {
  if (address.family === 'unix') return { pipe: { path: address.address } };
  if (address.family === 'internal') {
    const { listenerName, endpointId } = address;
    return {
      envoy_internal_address: {
        server_listener_name: listenerName,
        ...(endpointId === '' ? {} : { endpoint_id: endpointId }),
      },
    };
  }
  return { socket_address: { address: address.address, port_value: address.port } };
}

export function listenersHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/listeners',
      help: 'print listener info',
      mutates: false,
      params: LISTENERS_PARAMS,
      handle: (request) => {
        const listeners = proxy.crew.listeners();
        if (request.query.get('format') === 'json') {
          const statuses = listeners.map(({ name, addresses: [first, ...more] }) => ({
            name,
            local_address: addressJson(first as Address),
            ...(more.length > 0 ? { additional_local_addresses: more.map(addressJson) } : {}),
          }));
          return {
            status: 200,
            contentType: 'application/json',
            body: `${jsonText(statuses.length === 0 ? {} : { listener_statuses: statuses })}\n`,
          };
        }
        const lines = listeners.flatMap(({ name, addresses }) =>
          addresses.map((address) => `${name}::${addressText(address)}\n`),
        );
        return { status: 200, body: lines.join('') };
      },
    },
    {
      path: '/drain_listeners',
      help: 'drain listeners',
      mutates: true,
      params: DRAIN_PARAMS,
      handle: (request) => {
        const skipExit = request.query.has('skip_exit');
        const inboundOnly = request.query.has('inboundonly');
        if (skipExit || request.query.has('graceful')) {
          if (proxy.drain.isDraining) return { status: 200, body: 'OK\n' };
          if (inboundOnly) proxy.crew.drainInbound();
          else {
            proxy.drain.start();
            proxy.crew.startDrain();
          }
          if (!skipExit) {
            const timer = proxy.clock.timer(() => proxy.crew.stopListeners(inboundOnly), null);
            timer.arm(proxy.parts.options.drainTimeMs);
          }
        } else proxy.crew.stopListeners(inboundOnly);
        return { status: 200, body: 'OK\n' };
      },
    },
  ];
}
