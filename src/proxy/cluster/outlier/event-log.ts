// The log of ejections: one line of JSON for each, as Envoy's event_log_path has them.
import type { Clock } from '../../../base/clock.ts';
import type { EjectionType } from './outlier-config.ts';

export type OutlierEvent = {
  readonly type: EjectionType;
  readonly cluster: string;
  readonly host: string;
  readonly action: 'EJECT' | 'UNEJECT';
  readonly ejections: number;
  /** Whole seconds since the host was last put back (or out); null: it never was. */
  readonly sinceLastS: number | null;
  readonly enforced: boolean;
  /** What kind of ejection it was, by the name of Envoy's field, and what it went by. */
  readonly facts?: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

export type OutlierEventLog = { log(event: OutlierEvent): void };

/** Source: Envoy EventLoggerImpl; envoy.data.cluster.v3.OutlierDetectionEvent as JSON. */
export class FileEventLog implements OutlierEventLog {
  readonly #file: { write(line: string): void };
  readonly #clock: Clock;

  constructor(file: { write(line: string): void }, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  log(event: OutlierEvent): void {
    const { type, cluster, host, action, ejections, sinceLastS, enforced, facts } = event;
    const message = {
      type,
      timestamp: new Date(Math.floor(this.#clock.wallMs)).toISOString().replace('.000Z', 'Z'),
      ...(sinceLastS === null ? {} : { secs_since_last_action: String(sinceLastS) }),
      cluster_name: cluster,
      upstream_url: host,
      action,
      num_ejections: ejections,
      enforced,
      ...facts,
    };
    // The file takes bytes.
    this.#file.write(Buffer.from(`${JSON.stringify(message)}\n`).toString('latin1'));
  }
}
