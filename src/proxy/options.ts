// What a proxy is started with: Envoy's command line after it has been read, with Envoy's defaults.
import type { Address } from '../base/byte-stream.ts';
import type { DrainStrategy } from './listener/drain.ts';

/** Names follow Envoy's flags; times in ms. */
export type ProxyOptions = {
  readonly configPath: string;
  readonly configYaml: string;
  readonly mode: 'serve' | 'validate' | 'init_only';
  readonly concurrency: number;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly serviceZone: string;
  readonly drainTimeMs: number;
  readonly parentShutdownTimeMs: number;
  readonly drainStrategy: DrainStrategy;
  readonly baseId: number;
  readonly restartEpoch: number;
  readonly adminAddressPath: string;
  readonly allowUnknownStaticFields: boolean;
  readonly ignoreUnknownDynamicFields: boolean;
  readonly rejectUnknownDynamicFields: boolean;
  readonly skipDeprecatedLogs: boolean;
  readonly localAddressIpVersion: 'v4' | 'v6';
  readonly fileFlushIntervalMs: number;
  readonly fileFlushMinSizeKb: number;
  readonly disabledExtensions: readonly string[];
  /** 'tag:value', from --stats-tag. */
  readonly statsTags: readonly string[];
  /** Where DNS is served, and whom it asks; Envoy has neither. Empty: as the bootstrap and the system say. */
  readonly dnsAddresses: readonly Address[];
  readonly dnsUpstreams: readonly Address[];
  /** Everything as it was given, for /server_info. */
  readonly commandLine: Readonly<Record<string, unknown>>;
};

export const DEFAULT_PROXY_OPTIONS: ProxyOptions = Object.freeze({
  configPath: '',
  configYaml: '',
  mode: 'serve',
  concurrency: 1,
  serviceCluster: '',
  serviceNode: '',
  serviceZone: '',
  drainTimeMs: 600_000,
  parentShutdownTimeMs: 900_000,
  drainStrategy: 'gradual',
  baseId: 0,
  restartEpoch: 0,
  adminAddressPath: '',
  allowUnknownStaticFields: false,
  ignoreUnknownDynamicFields: false,
  rejectUnknownDynamicFields: false,
  skipDeprecatedLogs: false,
  localAddressIpVersion: 'v4',
  fileFlushIntervalMs: 10_000,
  fileFlushMinSizeKb: 64,
  disabledExtensions: [],
  statsTags: [],
  dnsAddresses: [],
  dnsUpstreams: [],
  commandLine: {},
});
