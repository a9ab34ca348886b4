// Tells the operator's log what is wrong with the configuration, each thing once, as it comes up.
import type { Logger } from '../telemetry/log.ts';
import { type Finding, formatFinding } from './source/finding.ts';

/** Lines of one change; the pages have the rest. */
const MAX_LINES = 50;

export class FindingLog {
  readonly #log: Pick<Logger, 'error' | 'warn'>;
  #told: ReadonlySet<string> = new Set();

  constructor(log: Pick<Logger, 'error' | 'warn'>) {
    this.#log = log;
  }

  /** All findings as they are now. */
  update(findings: readonly Finding[]): void {
    const texts = new Map<string, Finding>();
    for (const finding of findings) if (finding.severity !== 'information') texts.set(formatFinding(finding), finding);
    let lines = 0;
    for (const [text, { severity }] of texts) {
      if (this.#told.has(text) || ++lines > MAX_LINES) continue;
      if (severity === 'error') this.#log.error(text);
      else this.#log.warn(text);
    }
    if (lines > MAX_LINES) this.#log.warn(`and ${lines - MAX_LINES} more: heddle status tells them all`);
    this.#told = new Set(texts.keys());
  }
}
