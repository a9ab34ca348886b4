// What is wrong with the value of an annotation of Istio.
import { parseCidr } from '../../../base/ip.ts';

type Check = (value: string) => string | null;

const MODES: ReadonlySet<string> = new Set(['REDIRECT', 'TPROXY', 'NONE']);
const TRUTHS: ReadonlySet<string> = new Set('1 t T TRUE true True 0 f F FALSE false False'.split(' '));
const MAX_PORT = 65_535;
const MAX_UINT32 = 4_294_967_295;

function wholeNumber(value: string, most: number): boolean {
  return /^\d+$/.test(value) && Number(value) <= most;
}

const isUint32: Check = (value) => (wholeNumber(value, MAX_UINT32) ? null : `${value} is no whole number`);
const isTruth: Check = (value) => (TRUTHS.has(value) ? null : `${value} is neither true nor false`);
const isPort: Check = (value) => (wholeNumber(value.trim(), MAX_PORT) ? null : `failed parsing port '${value}'`);

const arePorts: Check = (value) => {
  if (value.trim() === '') return null;
  const wrong = value.split(',').find((port) => isPort(port) !== null);
  return wrong === undefined ? null : `failed parsing port '${wrong}'`;
};

const areRanges: Check = (value) => {
  if (value === '') return null;
  const wrong = value.split(',').find((range) => !range.includes('/') || parseCidr(range) === null);
  return wrong === undefined ? null : `failed parsing cidr '${wrong}'`;
};

const orAll =
  (check: Check): Check =>
  (value) =>
    value === '*' ? null : check(value);

const isMode: Check = (value) =>
  MODES.has(value) ? null : `interceptionMode invalid, use REDIRECT,TPROXY,NONE: ${value}`;

const CHECKS: ReadonlyMap<string, Check> = new Map([
  ['sidecar.istio.io/interceptionMode', isMode],
  ['status.sidecar.istio.io/port', isPort],
  ['readiness.status.sidecar.istio.io/initialDelaySeconds', isUint32],
  ['readiness.status.sidecar.istio.io/periodSeconds', isUint32],
  ['readiness.status.sidecar.istio.io/failureThreshold', isUint32],
  ['traffic.sidecar.istio.io/includeOutboundIPRanges', orAll(areRanges)],
  ['traffic.sidecar.istio.io/excludeOutboundIPRanges', areRanges],
  ['traffic.sidecar.istio.io/includeInboundPorts', orAll(arePorts)],
  ['traffic.sidecar.istio.io/excludeInboundPorts', arePorts],
  ['traffic.sidecar.istio.io/includeOutboundPorts', arePorts],
  ['traffic.sidecar.istio.io/excludeOutboundPorts', arePorts],
  ['prometheus.istio.io/merge-metrics', isTruth],
]);

/** Null: nothing, as far as it is looked at. */
export function annotationProblem(name: string, value: string): string | null {
  return CHECKS.get(name)?.(value) ?? null;
}
