// Classes of gateways: which are ours.

/** Who minds gateways of a class, as its object says. */
export const ISTIO_CONTROLLER = 'istio.io/gateway-controller';
export const HEDDLE_CONTROLLER = 'heddle.dev/gateway-controller';

/** Classes that need no object. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['istio', ISTIO_CONTROLLER],
  ['heddle', HEDDLE_CONTROLLER],
]);
/** Istio's for what is not a gateway in front of the mesh. */
const AMBIENT_CLASSES: ReadonlySet<string> = new Set(['istio-waypoint', 'istio-east-west', 'istio-remote']);
const AMBIENT_CONTROLLERS = ['istio.io/mesh-controller', 'istio.io/eastwest-controller', 'istio.io/unmanaged-gateway'];

/** 'ambient': Istio's, for parts of the mesh that are not served yet; 'other': somebody else minds it. */
export type ClassKind = 'ours' | 'ambient' | 'other' | 'unknown';

/** `controller`: what the class's object says; undefined where there is none. */
export function classKind(name: string, controller: string | undefined): ClassKind {
  const found = controller ?? BUILT_IN.get(name);
  if (found === ISTIO_CONTROLLER || found === HEDDLE_CONTROLLER) return 'ours';
  if (found !== undefined) return AMBIENT_CONTROLLERS.includes(found) ? 'ambient' : 'other';
  return AMBIENT_CLASSES.has(name) ? 'ambient' : 'unknown';
}
