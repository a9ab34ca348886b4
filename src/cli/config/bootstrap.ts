// The bootstrap in short, as istioctl proxy-config tells it: versions.
import { at, type ConfigDump, textAt } from './dump.ts';

export function bootstrapRows(dump: ConfigDump): string[][] {
  const node = at(dump.bootstrap, 'bootstrap', 'node');
  const istio = textAt(node, 'metadata', 'ISTIO_VERSION');
  const sha = textAt(node, 'metadata', 'ISTIO_PROXY_SHA');
  const agent = textAt(node, 'user_agent_name');
  const title = agent === '' || agent === 'envoy' ? 'Envoy' : agent.replace(/^./, (first) => first.toUpperCase());
  return [
    ...(istio === '' ? [] : [['Istio Version:', istio]]),
    ...(sha === '' ? [] : [['Istio Proxy Version:', sha.split(':')[1] ?? sha]]),
    [`${title} Version:`, agentVersion(node)],
  ];
}

/** '1.40.0/Clean/RELEASE/BoringSSL' */
function agentVersion(node: unknown): string {
  const build = at(node, 'user_agent_build_version');
  const number = (part: string): string => textAt(build, 'version', part) || '0';
  const label = textAt(build, 'metadata', 'build.label');
  const more = ['revision.status', 'build.type', 'ssl.version'].map((part) => textAt(build, 'metadata', part));
  const version = [number('major_number'), number('minor_number'), number('patch')].join('.');
  return [`${version}${label === '' ? '' : `-${label}`}`, ...more.filter((part) => part !== '')].join('/');
}
