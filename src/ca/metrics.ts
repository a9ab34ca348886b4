// What the CA counts, under Istio's names.
import type { CounterCell, GaugeCell, MetricRegistry } from '../telemetry/prometheus.ts';

/** Kinds of failures of signing, as Istio has them. */
export type SignError = 'CSR_ERROR' | 'TTL_ERROR' | 'CERT_GEN_ERROR' | 'CA_NOT_READY';

const P = 'citadel_server_';

export class CaMetrics {
  readonly requests: CounterCell;
  readonly issued: CounterCell;
  readonly authenticationFailures: CounterCell;
  readonly parsingErrors: CounterCell;
  readonly identityErrors: CounterCell;
  readonly #signErrors: { cell(...labels: string[]): CounterCell };
  readonly #rootExpiry: GaugeCell;
  readonly #rootSeconds: GaugeCell;
  readonly #chainExpiry: GaugeCell;
  readonly #chainSeconds: GaugeCell;
  readonly #roots: GaugeCell;

  constructor(registry: MetricRegistry) {
    const counter = (name: string, help: string): CounterCell => registry.counter(P + name, help).cell();
    const gauge = (name: string, help: string): GaugeCell => registry.gauge(P + name, help).cell();
    this.requests = counter('csr_count', 'The number of CSRs received by Citadel server.');
    this.issued = counter('success_cert_issuance_count', 'The number of certificates issuances that have succeeded.');
    this.authenticationFailures = counter('authentication_failure_count', 'The number of authentication failures.');
    this.parsingErrors = counter('csr_parsing_err_count', 'The number of errors occurred when parsing the CSR.');
    this.identityErrors = counter('id_extraction_err_count', 'The number of errors when extracting the ID from CSR.');
    this.#signErrors = registry.counter(`${P}csr_sign_err_count`, 'The number of errors when signing the CSR.', [
      'error',
    ]);
    this.#rootExpiry = gauge(
      'root_cert_expiry_timestamp',
      'The unix timestamp, in seconds, when the root cert expires.',
    );
    this.#rootSeconds = gauge(
      'root_cert_expiry_seconds',
      'The time remaining, in seconds, before the root cert expires.',
    );
    this.#chainExpiry = gauge('cert_chain_expiry_timestamp', 'The unix timestamp, in seconds, when the chain expires.');
    this.#chainSeconds = gauge(
      'cert_chain_expiry_seconds',
      'The time remaining, in seconds, before the chain expires.',
    );
    this.#roots = registry
      .gauge('heddle_ca_trusted_roots', 'The number of roots that proxies are told to trust.')
      .cell();
  }

  signError(kind: SignError): void {
    this.#signErrors.cell(kind).add();
  }

  /** `nowMs` is asked whenever somebody reads. */
  showExpiry(rootValidToMs: number, chainValidToMs: number, nowMs: () => number): void {
    this.#rootExpiry.set(Math.floor(rootValidToMs / 1000));
    this.#chainExpiry.set(Math.floor(chainValidToMs / 1000));
    this.#rootSeconds.from(() => (rootValidToMs - nowMs()) / 1000);
    this.#chainSeconds.from(() => (chainValidToMs - nowMs()) / 1000);
  }

  showRoots(count: number): void {
    this.#roots.set(count);
  }
}
