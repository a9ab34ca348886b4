// A proxy with several worker threads inside the test's process, for what no user can do to one: kill a worker.
import assert from 'node:assert/strict';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { DEFAULT_PROXY_OPTIONS, type ProxyOptions } from '../../src/proxy/options.ts';
import { type RunningProxy, startThreadedProxy } from '../../src/proxy/proxy.ts';
import type { ResourceUpdate, UpdateOutcome } from '../../src/proxy/workers/contract.ts';
import type { ThreadCrew } from '../../src/proxy/workers/thread-crew.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';

export type ThreadedProxy = {
  readonly proxy: RunningProxy;
  readonly crew: ThreadCrew;
  /** The process log; complaints of the supervisor. */
  readonly log: string[];
  /** The statistic's value now. */
  stat(name: string): Promise<number>;
  update(generation: number, resources: readonly ResourceUpdate[]): Promise<UpdateOutcome>;
  stop(): Promise<void>;
};

export async function startThreaded(
  config: unknown,
  concurrency: number,
  more: Partial<ProxyOptions> = {},
): Promise<ThreadedProxy> {
  const log: string[] = [];
  const logs = LogRegistry.open({ level: 'warning', write: (line) => log.push(line) });
  assert.ok(typeof logs !== 'string');
  const options = { ...DEFAULT_PROXY_OPTIONS, configYaml: JSON.stringify(config), concurrency, ...more };
  const proxy = await startThreadedProxy({ options, logs, variables: {}, version: '0.0.0' });
  if ('error' in proxy) throw new Error(proxy.error);
  const crew = proxy.crew as ThreadCrew;
  return {
    proxy,
    crew,
    log,
    stat: async (name) => {
      await new Promise<void>((resolve) => crew.refresh(resolve));
      return crew.stats.find(name) ?? Number.NaN;
    },
    update: (generation, resources) => new Promise((resolve) => crew.update({ generation, resources }, resolve)),
    stop: async () => {
      proxy.supervisor.stop();
      await new Promise<void>((resolve) => crew.end(resolve));
    },
  };
}

/** A resource from its JSON; null bytes remove it. */
export function resource(type: string, name: string, fields: object | null): ResourceUpdate {
  const typeUrl = `type.googleapis.com/${type}`;
  if (fields === null) return { typeUrl, name, bytes: null };
  const report = new Report();
  const message = fromJson(registry.message(type as never), { name, ...fields }, report);
  assert.equal(report.toString(), '');
  return { typeUrl, name, bytes: encodeBinary(registry.message(type as never), message as never) };
}
