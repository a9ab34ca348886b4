// Patches of EnvoyFilters that have no effect, or only by luck.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { isJson, type Json, numberIn, partIn, partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';

const ROUTES: ReadonlySet<string> = new Set(['ROUTE_CONFIGURATION', 'HTTP_ROUTE']);
const FILTERS: ReadonlySet<string> = new Set(['NETWORK_FILTER', 'HTTP_FILTER']);

export const envoyFilterPatches: Analyzer = {
  name: 'envoyfilter.EnvoyPatchAnalyzer',
  description: 'Checks the patches of EnvoyFilters',
  codes: ['IST0151', 'IST0152', 'IST0153', 'IST0154', 'IST0155'],
  run(world, report) {
    /** Names of filters that earlier patches change for some versions of the proxy only. */
    const versioned = new Set<string>();
    for (const object of world.kind('EnvoyFilter')) {
      for (const [at, config] of partsIn(object.spec, 'configPatches').entries()) {
        if (!isJson(config['patch'])) break;
        checkPatch(object, config, ['spec', 'configPatches', at, 'patch', 'operation'], versioned, report);
        const version = textIn(partIn(partIn(config, 'match'), 'proxy'), 'proxyVersion');
        if (version !== '') versioned.add(nameOf(config));
      }
    }
  },
};

function checkPatch(
  object: ConfigObject,
  config: Json,
  path: readonly PathPart[],
  versioned: ReadonlySet<string>,
  report: Report,
): void {
  const applyTo = textIn(config, 'applyTo');
  const tellRelative = (): void => {
    if (numberIn(object.spec, 'priority') !== 0) return;
    report(versioned.has(nameOf(config)) ? 'IST0155' : 'IST0151', object, path);
  };
  switch (textIn(partIn(config, 'patch'), 'operation')) {
    case 'ADD':
      if (ROUTES.has(applyTo)) report('IST0153', object, path);
      break;
    case 'REMOVE':
      if (ROUTES.has(applyTo)) report('IST0154', object, path);
      else tellRelative();
      break;
    case 'REPLACE':
      if (FILTERS.has(applyTo)) tellRelative();
      else report('IST0152', object, path);
      break;
    case 'INSERT_BEFORE':
    case 'INSERT_AFTER':
      tellRelative();
      break;
    default:
  }
}

/** Of what the patch adds, else of what it matches; '' for none. */
function nameOf(config: Json): string {
  const value = partIn(partIn(config, 'patch'), 'value');
  if (Object.keys(value).length === 0) return '';
  const own = textIn(value, 'name');
  const chain = partIn(partIn(partIn(config, 'match'), 'listener'), 'filterChain');
  return own === '' ? textIn(partIn(chain, 'filter'), 'name') : own;
}
