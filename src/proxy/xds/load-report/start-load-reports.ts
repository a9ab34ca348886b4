// Joins the load reporter with what it stands on: the proxy's client, its node, its workers.
import { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import type { XdsParts } from '../start-xds.ts';
import { LoadReporter, type LoadReporterParts } from './load-reporter.ts';

export type LoadReportParts = Omit<XdsParts, 'crew'> & {
  readonly crew: { readonly loads: LoadReporterParts['ask']; whenClustersReady(ready: () => void): void };
};

/** Where the configuration names nobody to be told of loads, nothing. */
export function startLoadReports({ parts, core, decoded, crew }: LoadReportParts): void {
  const target = decoded.config.loadReports;
  const http = decoded.environment.httpClient;
  if (target === null || http === undefined) return;
  const logger = parts.logs.logger('upstream');
  const reporter = new LoadReporter({
    clock: core.clock,
    stats: core.stats,
    client: new GrpcClient(http, target),
    node: decoded.node,
    log: (level, text) => logger.write(level, text),
    ask: (question, took, done) => crew.loads(question, took, done),
  });
  // Without hosts a stream cannot stand; they come with the first answers of DNS or of a control plane.
  const hasHosts = (decoded.clusters.get(target.clusterName)?.hosts.length ?? 0) > 0;
  if (hasHosts || target.ownCluster !== null) reporter.start();
  else crew.whenClustersReady(() => reporter.start());
}
