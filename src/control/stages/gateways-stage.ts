// Gateways of all APIs, and which of them a proxy plays.
import type { Collection, Index } from '../../base/collection.ts';
import type { Gateway } from '../model/gateway.ts';
import type { ConfigObject } from '../source/object.ts';
import { translateGateway } from '../translate/istio/gateway.ts';
import type { Inputs } from './inputs.ts';

export type GatewaysStage = {
  /** By object key. */
  readonly gateways: Collection<Gateway>;
  /** By 'NAMESPACE/NAME'. */
  readonly byName: Index<Gateway>;
};

export function gatewaysStage(inputs: Inputs): GatewaysStage {
  const gateways = inputs.graph.map<ConfigObject, Gateway>('gateways', inputs.kind('Gateway'), (key, object) =>
    translateGateway(object, key),
  );
  return { gateways, byName: gateways.index('by name', (_key, gateway) => [gateway.key]) };
}
