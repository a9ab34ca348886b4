// Addresses made up for hosts that have none, so that a proxy that answers DNS can tell connections to them apart.

/** 240.240.0.0/16 without .0 and .255 in the last place, and without the first of each. */
const PLACES = 255 * 254;

/**
 * A place for each key. It follows from a hash of the key, so that it is the same on every replica and after every
 * restart, and no other host moves when one comes; only keys whose places clash depend on one another.
 */
export function assignPlaces(keys: readonly string[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  const taken = new Set<number>();
  for (const key of [...keys].sort()) {
    if (taken.size === PLACES) break;
    let place = hashOf(key) % PLACES;
    while (taken.has(place)) place = (place + 1) % PLACES;
    taken.add(place);
    places.set(key, place);
  }
  return places;
}

export function addressesAt(place: number): { readonly v4: string; readonly v6: string } {
  const third = Math.floor(place / 254);
  const fourth = (place % 254) + 1;
  return { v4: `240.240.${third}.${fourth}`, v6: `2001:2::f0f0:${(third * 256 + fourth).toString(16)}` };
}

/** 10.96.0.0/16, of Kubernetes' default range for Services. */
export function clusterAddress(place: number): string {
  return `10.96.${Math.floor(place / 254)}.${(place % 254) + 1}`;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
