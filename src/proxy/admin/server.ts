// Admin endpoints about the process: readiness, version, health, drain, logging, quitting.
import { DEFAULT_LOG_FORMAT } from '../../telemetry/log.ts';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { AdminHandler, AdminResponse } from './admin-handler.ts';
import { jsonText } from './json-writer.ts';
import { LOGGING_PARAMS } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';

const OK: AdminResponse = { status: 200, body: 'OK\n' };

export function serverHandlers(context: AdminContext): AdminHandler[] {
  const { proxy, supervisor } = context;
  return [
    {
      path: '/ready',
      help: 'print server state, return 200 if LIVE, otherwise return 503',
      mutates: false,
      handle: () => ({ status: supervisor.state === 'LIVE' ? 200 : 503, body: readyText(context) }),
    },
    {
      path: '/server_info',
      help: 'print server version/status information',
      mutates: false,
      handle: () => ({ status: 200, contentType: 'application/json', body: `${jsonText(serverInfo(context))}` }),
    },
    {
      path: '/healthcheck/fail',
      help: 'cause the server to fail health checks',
      mutates: true,
      handle: () => {
        supervisor.failHealthCheck(true);
        return OK;
      },
    },
    {
      path: '/healthcheck/ok',
      help: 'cause the server to pass health checks',
      mutates: true,
      handle: () => {
        supervisor.failHealthCheck(false);
        return OK;
      },
    },
    {
      path: '/quitquitquit',
      help: 'exit the server',
      mutates: true,
      handle: () => ({ status: 200, body: 'OK\n', afterwards: () => proxy.clock.defer(() => supervisor.quit()) }),
    },
    ...maintenanceHandlers(context),
  ];
}

/** Envoy's line, and one more while no control plane could change the configuration. */
function readyText({ proxy, supervisor }: AdminContext): string {
  const { orphanedMs, lastGoodWallMs } = proxy.record;
  if (orphanedMs === 0) return `${supervisor.state}\n`;
  const seconds = (ms: number): number => Math.floor(Math.max(0, ms) / 1000);
  const age = `; the last good configuration came ${seconds(proxy.clock.wallMs - lastGoodWallMs)} s ago`;
  const more = `no control plane for ${seconds(orphanedMs)} s${lastGoodWallMs === 0 ? '' : age}`;
  return `${supervisor.state}\n${more}\n`;
}

/** What operators do to a running process. */
function maintenanceHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/reset_counters',
      help: 'reset all counters to zero',
      mutates: true,
      handle: () => {
        proxy.crew.resetCounters();
        return OK;
      },
    },
    {
      path: '/reopen_logs',
      help: 'reopen access logs',
      mutates: true,
      handle: () => {
        proxy.crew.reopenLogs();
        return OK;
      },
    },
    {
      path: '/hot_restart_version',
      help: 'print the hot restart compatibility version',
      mutates: false,
      handle: () => ({ status: 200, body: 'disabled\n' }),
    },
    {
      path: '/memory',
      help: 'print current allocation/heap usage',
      mutates: false,
      handle: () => ({ status: 200, contentType: 'application/json', body: `${jsonText(memory())}\n` }),
    },
    {
      path: '/memory/tcmalloc',
      help: 'print TCMalloc stats',
      mutates: false,
      handle: () => ({ status: 200, contentType: 'text/plain', body: heapText() }),
    },
    {
      path: '/contention',
      help: 'dump current Envoy mutex contention stats (if enabled)',
      mutates: false,
      handle: () => ({ status: 200, body: CONTENTION_IS_OFF }),
    },
    {
      path: '/logging',
      help: 'query/change logging levels',
      mutates: true,
      params: LOGGING_PARAMS,
      handle: (request) => {
        const response = proxy.parts.logs.change(request.query);
        if (response.status === 200) proxy.crew.changeLogLevels(request.query.toString());
        return response;
      },
    },
  ];
}

/** Envoy's words: threads that share nothing wait for no mutex, so there is nothing to trace either. */
const CONTENTION_IS_OFF =
  'Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.';

/** The spaces of V8's heap, where Envoy tells those of its allocator. */
function heapText(): string {
  const { heap_size_limit, malloced_memory, peak_malloced_memory } = getHeapStatistics();
  let text = 'V8 heap spaces: used, committed, free (bytes)\n------------------------------------------------\n';
  for (const space of getHeapSpaceStatistics()) {
    const { space_name: name, space_used_size: used, space_size: size, space_available_size: free } = space;
    text += `${name.padEnd(28)} ${[used, size, free].map((n) => String(n).padStart(12)).join(' ')}\n`;
  }
  text += '------------------------------------------------\n';
  return `${text}heap limit ${heap_size_limit}, malloced ${malloced_memory}, peak malloced ${peak_malloced_memory}\n`;
}

function memory(): Record<string, string> {
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  return {
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: '0',
    total_physical_bytes: String(rss),
  };
}

function serverInfo({ proxy, supervisor }: AdminContext): unknown {
  const { options, version } = proxy.parts;
  const uptime = `${Math.floor(supervisor.uptimeMs / 1000)}s`;
  const seconds = (ms: number): string => `${ms / 1000}s`;
  const given = options.commandLine;
  const text = (name: string): string => (typeof given[name] === 'string' ? given[name] : '');
  const { node } = proxy.bootstrap;
  return {
    version: `heddle/${version}`,
    state: supervisor.state,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    command_line_options: {
      base_id: String(options.baseId),
      concurrency: options.concurrency,
      config_path: options.configPath,
      config_yaml: options.configYaml,
      allow_unknown_static_fields: options.allowUnknownStaticFields,
      admin_address_path: options.adminAddressPath,
      local_address_ip_version: text('local-address-ip-version') || 'v4',
      log_level: text('log-level') || 'info',
      component_log_level: text('component-log-level'),
      log_format: text('log-format') || DEFAULT_LOG_FORMAT,
      log_path: text('log-path'),
      service_cluster: options.serviceCluster,
      service_node: options.serviceNode,
      service_zone: options.serviceZone,
      file_flush_interval: seconds(options.fileFlushIntervalMs),
      drain_time: seconds(options.drainTimeMs),
      parent_shutdown_time: seconds(options.parentShutdownTimeMs),
      mode: 'Serve',
      disable_hot_restart: true,
      enable_mutex_tracing: false,
      restart_epoch: options.restartEpoch,
      cpuset_threads: given['cpuset-threads'] === true,
      reject_unknown_dynamic_fields: options.rejectUnknownDynamicFields,
      log_format_escaped: given['log-format-escaped'] === true,
      disabled_extensions: options.disabledExtensions,
      ignore_unknown_dynamic_fields: options.ignoreUnknownDynamicFields,
      use_dynamic_base_id: given['use-dynamic-base-id'] === true,
      base_id_path: text('base-id-path'),
      drain_strategy: options.drainStrategy === 'immediate' ? 'Immediate' : 'Gradual',
      enable_fine_grain_logging: given['enable-fine-grain-logging'] === true,
      enable_core_dump: given['enable-core-dump'] === true,
      socket_path: '@envoy_domain_socket',
      socket_mode: 0,
      stats_tag: options.statsTags,
      skip_hot_restart_on_no_parent: false,
      skip_hot_restart_parent_stats: false,
      skip_deprecated_logs: options.skipDeprecatedLogs,
      file_flush_min_size: options.fileFlushMinSizeKb,
      log_stacktrace_single_entry: false,
    },
    node: {
      ...node,
      id: options.serviceNode || (node?.id ?? ''),
      cluster: options.serviceCluster || (node?.cluster ?? ''),
      user_agent_name: 'heddle',
    },
  };
}
