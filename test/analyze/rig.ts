// Analyses texts as the command does, for tests.
import { analyze, type AnalysisOptions } from '../../src/control/analyze/analyze.ts';
import type { Message } from '../../src/control/analyze/message.ts';
import { withoutReferences } from '../../src/control/analyze/schema.ts';
import { isTold } from '../../src/control/analyze/suppress.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';

export const NOW_MS = Date.parse('2026-06-01T00:00:00Z');

export const OPTIONS: AnalysisOptions = {
  clusterDomain: 'cluster.local',
  nowMs: NOW_MS,
  isInjected: true,
  makesSecrets: false,
  also: [],
};

export function analyzeFiles(
  files: Readonly<Record<string, string>>,
  options: Partial<AnalysisOptions> = {},
): Message[] {
  const source = new MemorySource(files);
  source.start();
  const analyzed = {
    objects: source.objects(),
    findings: withoutReferences(source.findings(), source.objects(), OPTIONS.clusterDomain),
    positionOf: (key: string, path: string) => source.positionOf(key, path),
  };
  return analyze(analyzed, { ...OPTIONS, ...options }).filter((message) => isTold(message, [], null));
}

/** 'IST0101 Kind ns/name: text', for looking at one text. */
export function saidOf(text: string, options: Partial<AnalysisOptions> = {}): string[] {
  return analyzeFiles({ 'a.yaml': text }, options).map(
    ({ code, object, text: said }) => `${code} ${object.kind} ${object.namespace}/${object.name}: ${said}`,
  );
}
