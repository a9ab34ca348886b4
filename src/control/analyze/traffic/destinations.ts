// Where a VirtualService sends requests: each destination with its place.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { isJson, type Json, partIn, partsIn } from '../../translate/fields.ts';

export type RouteDestination = {
  readonly destination: Json;
  readonly path: readonly PathPart[];
  readonly isMirror: boolean;
};

export function destinationsOf({ spec }: ConfigObject): RouteDestination[] {
  const found: RouteDestination[] = [];
  const add = (destination: unknown, path: readonly PathPart[], isMirror: boolean): void => {
    if (isJson(destination)) found.push({ destination, path, isMirror });
  };
  for (const field of ['http', 'tcp', 'tls'] as const) {
    for (const [at, rule] of partsIn(spec, field).entries()) {
      const path = ['spec', field, at];
      for (const [i, route] of partsIn(rule, 'route').entries()) {
        add(route['destination'], [...path, 'route', i, 'destination'], false);
      }
      add(rule['mirror'], [...path, 'mirror'], true);
      for (const [i, mirror] of partsIn(rule, 'mirrors').entries()) {
        add(mirror['destination'], [...path, 'mirrors', i, 'destination'], true);
      }
    }
  }
  return found;
}

/** 0: the destination says none. */
export function portOf(destination: Json): number {
  const { number } = partIn(destination, 'port');
  return typeof number === 'number' ? number : 0;
}
