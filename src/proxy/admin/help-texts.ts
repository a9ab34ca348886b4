// What /help and the front page say of parameters, in Envoy's words.
import { LOG_LEVELS } from '../../telemetry/log.ts';
import type { AdminParam } from './admin-handler.ts';

export const CLUSTERS_PARAMS: readonly AdminParam[] = [
  { name: 'filter', help: 'Regular expression (Google re2) for filtering clusters by name' },
];

export const CONFIG_DUMP_PARAMS: readonly AdminParam[] = [
  { name: 'resource', help: 'The resource to dump' },
  {
    name: 'mask',
    help: words(`The mask to apply. When both resource and mask are specified, the mask is applied to every element in
      the desired repeated field so that only a subset of fields are returned. The mask is parsed as a
      Protobuf::FieldMask`),
  },
  {
    name: 'name_regex',
    help: words(`Dump only the currently loaded configurations whose names match the specified regex. Can be used with
      both resource and mask query parameters.`),
  },
  {
    name: 'include_eds',
    kind: 'flag',
    help: words(`Dump currently loaded configuration including EDS. See the response definition for more
      information`),
  },
];

export const INIT_DUMP_PARAMS: readonly AdminParam[] = [
  {
    name: 'mask',
    help: words(`The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For
      example, get the unready targets of all listeners with /init_dump?mask=listener\``),
  },
];

export const LISTENERS_PARAMS: readonly AdminParam[] = [
  { name: 'format', help: 'File format to use', choices: ['text', 'json'] },
];

export const DRAIN_PARAMS: readonly AdminParam[] = [
  {
    name: 'graceful',
    kind: 'flag',
    help: words(`When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and
      duration is configurable via server options or CLI`),
  },
  {
    name: 'skip_exit',
    kind: 'flag',
    help: words(`When draining listeners, drain the connections but never stop the listeners. The graceful parameter has
      no effect when this is set, since the drain period only delays stopping the listeners`),
  },
  {
    name: 'inboundonly',
    kind: 'flag',
    help: words(`Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener
      is used to determine whether a listener is inbound or outbound.`),
  },
];

export const LOGGING_PARAMS: readonly AdminParam[] = [
  {
    name: 'paths',
    help: words(`Change multiple logging levels by setting to
      <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or
      a glob experision as the logger name. For example, source/common*:warning`),
  },
  {
    name: 'group',
    help: words(`Change given logger group to desired level, set to <logger_group_name>:<desired_level>.
      logger_group_name must be a logger name.`),
  },
  {
    name: 'level',
    help: "desired logging level, this will change all loggers's level",
    choices: ['', ...LOG_LEVELS],
  },
];

export const RUNTIME_MODIFY_HELP = words(`Adds or modifies runtime values as passed in query parameters. To delete a
  previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this
  endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...`);

const STATS_FILTER_PARAMS: readonly AdminParam[] = [
  { name: 'filter', help: 'Regular expression (Google re2) for filtering stats' },
  { name: 'invert_filter', kind: 'flag', help: 'Invert the filter regex' },
];

const USED_ONLY: AdminParam = {
  name: 'usedonly',
  kind: 'flag',
  help: 'Only include stats that have been written by system since restart',
};

const BUCKETS = 'Histogram bucket display mode';

export const STATS_PARAMS: readonly AdminParam[] = [
  USED_ONLY,
  ...STATS_FILTER_PARAMS,
  { name: 'format', help: 'Format to use', choices: ['html', 'active-html', 'text', 'json'] },
  {
    name: 'type',
    help: 'Stat types to include.',
    choices: ['All', 'Counters', 'Histograms', 'Gauges', 'TextReadouts'],
  },
  { name: 'histogram_buckets', help: BUCKETS, choices: ['cumulative', 'disjoint', 'detailed', 'summary'] },
];

export const PROMETHEUS_PARAMS: readonly AdminParam[] = [
  USED_ONLY,
  {
    name: 'text_readouts',
    kind: 'flag',
    help: 'Render text_readouts as new gaugues with value 0 (increases Prometheus data size)',
  },
  ...STATS_FILTER_PARAMS,
  { name: 'histogram_buckets', help: BUCKETS, choices: ['cumulative', 'summary'] },
];

function words(text: string): string {
  return text.replace(/\s+/g, ' ');
}
