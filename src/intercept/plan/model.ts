// What capture is made of, whatever program loads it: chains of rules, and the routes that TPROXY needs.
import type { Cidr } from '../../base/ip.ts';

export type Family = 'ipv4' | 'ipv6';

/** Both ends belong to it. */
export type PortRange = { readonly first: number; readonly last: number };

/** All that is there must hold; `not` turns one part around. */
export type Match = {
  readonly protocol?: 'tcp' | 'udp';
  /** A name, or its beginning followed by `+`. */
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly source?: Cidr;
  /** One of these, or (`not`) none. */
  readonly destination?: { readonly cidrs: readonly Cidr[]; readonly not: boolean };
  readonly destinationPorts?: { readonly ports: readonly PortRange[]; readonly not: boolean };
  readonly sourcePort?: number;
  /** Who owns the socket: one of these, or (`not`) none. */
  readonly owner?: { readonly kind: 'uid' | 'gid'; readonly ids: readonly number[]; readonly not: boolean };
  readonly mark?: { readonly value: number; readonly not: boolean };
  readonly connectionMark?: number;
  readonly state?: 'established' | 'invalid';
};

export type Action =
  /** The packet goes on as if there were no capture. */
  | { readonly kind: 'return' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'redirect'; readonly port: number }
  /** To the transparent listener of the port, with this mark; dropped when nobody listens. */
  | { readonly kind: 'tproxy'; readonly port: number; readonly mark: number }
  /** Marks the packet and lets it through. */
  | { readonly kind: 'divert'; readonly mark: number }
  /** These three go on with the next rule. */
  | { readonly kind: 'mark'; readonly mark: number }
  | { readonly kind: 'save-mark' }
  | { readonly kind: 'restore-mark' }
  /** The connection is tracked apart from those of other zones; the first zone stays. */
  | { readonly kind: 'zone'; readonly zone: number };

export type Rule = {
  /** What it is for; the comment in the kernel, by which a rule is found again. */
  readonly name: string;
  /** Absent: both. */
  readonly family?: Family;
  readonly match: Match;
  readonly action: Action;
};

export type Table = 'raw' | 'mangle' | 'nat';
export type Hook = 'prerouting' | 'output';

export type Chain = { readonly table: Table; readonly hook: Hook; readonly rules: readonly Rule[] };

export type Plan = {
  readonly families: readonly Family[];
  /** In the order in which a packet meets them; none is empty. */
  readonly chains: readonly Chain[];
  /** Marked packets are delivered on this machine, whatever their address. */
  readonly routing: { readonly mark: number; readonly table: number } | null;
  /** The address `::6`, from which the proxy dials the application: IPv6 has only one loopback address of its own. */
  readonly passthroughAddress: boolean;
};

/** Whom the rules of a chain concern: nobody of a family that is not captured. */
export function rulesOf(chain: Chain, family: Family): readonly Rule[] {
  return chain.rules.filter((rule) => rule.family === undefined || rule.family === family);
}
