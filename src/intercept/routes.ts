// What TPROXY needs beside rules: marked packets are delivered here; and the address ::6 of the proxy.
import type { Family, Plan } from './plan/model.ts';
import { CaptureError, firstLine, type Machine } from './machine.ts';

/** The "protocol" of our routing rules and routes, and the metric of our address: by it they are found again. */
const SIGN = 157;

type Piece = { readonly family: Family; readonly add: string; readonly remove: string };

/** Brings routes and address to what the plan wants, as two steps, since rules are loaded in between. */
export type RouteChange = {
  /** Takes away what earlier options needed and these do not. */
  finish(): void;
  /** Takes away what was added. */
  undo(): void;
};

const NOTHING: RouteChange = { finish() {}, undo() {} };

/** Adds what is missing. On failure nothing is left of it, and the reason is thrown. */
export function changeRoutes(machine: Machine, plan: Plan): RouteChange {
  const wanted = wantedPieces(plan);
  const present = presentPieces(machine, wanted.length > 0);
  if (present === null) return NOTHING;
  const isSame = (a: Piece, b: Piece): boolean => a.family === b.family && a.add === b.add;
  const added = wanted.filter((piece) => !present.some((one) => isSame(one, piece)));
  const stale = present.filter((piece) => !wanted.some((one) => isSame(one, piece)));
  const undo = (): void => {
    // As far as it was added: what is not there cannot be removed, and that is no failure.
    for (const { family, remove } of added) machine.run('ip', [flag(family), ...remove.split(' ')]);
  };
  for (const { family, add } of added) {
    const ran = machine.run('ip', [flag(family), ...add.split(' ')]);
    if (ran.ok || /File exists/.test(ran.complaint)) continue;
    undo();
    throw new CaptureError(`ip ${flag(family)} ${add}: ${firstLine(ran.complaint)}${hint(ran.complaint)}`);
  }
  return { undo, finish: () => remove(machine, stale) };
}

function hint(complaint: string): string {
  if (/not up/.test(complaint)) return '; bring it up: ip link set lo up';
  if (/IPv6 is disabled|not supported/i.test(complaint)) return '; without IPv6 here, pass --ipv6 off';
  return '';
}

/** What the plan needs and is not there, as the commands that would add it. */
export function missingRoutes(machine: Machine, plan: Plan): string[] {
  const present = presentPieces(machine, true) ?? [];
  return wantedPieces(plan)
    .filter((piece) => !present.some((one) => one.family === piece.family && one.add === piece.add))
    .map(({ family, add }) => `ip ${flag(family)} ${add}`);
}

/** Takes away everything of ours. */
export function removeRoutes(machine: Machine): number {
  const present = presentPieces(machine, false) ?? [];
  remove(machine, present);
  return present.length;
}

function remove(machine: Machine, pieces: readonly Piece[]): void {
  for (const piece of pieces) {
    const ran = machine.run('ip', [flag(piece.family), ...piece.remove.split(' ')]);
    if (!ran.ok) throw new CaptureError(`ip ${flag(piece.family)} ${piece.remove}: ${firstLine(ran.complaint)}`);
  }
}

const flag = (family: Family): string => (family === 'ipv4' ? '-4' : '-6');

function wantedPieces(plan: Plan): Piece[] {
  const pieces: Piece[] = [];
  if (plan.routing !== null) {
    const { mark, table } = plan.routing;
    for (const family of plan.families) pieces.push(routePiece(family, table), rulePiece(family, mark, table));
  }
  if (plan.passthroughAddress) pieces.push(ADDRESS);
  return pieces;
}

const ADDRESS: Piece = {
  family: 'ipv6',
  add: `address add ::6/128 dev lo metric ${SIGN}`,
  remove: `address del ::6/128 dev lo metric ${SIGN}`,
};

function rulePiece(family: Family, mark: number, table: number): Piece {
  const what = `fwmark ${mark} lookup ${table} protocol ${SIGN}`;
  return { family, add: `rule add ${what}`, remove: `rule del ${what}` };
}

function routePiece(family: Family, table: number): Piece {
  const what = `local default dev lo table ${table} proto ${SIGN}`;
  return { family, add: `route add ${what}`, remove: `route del ${what}` };
}

type Shown = {
  readonly fwmark?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly addr_info?: readonly { readonly local: string; readonly metric?: number }[];
};

/** What is there of ours; null when `ip` is not installed and not needed. */
function presentPieces(machine: Machine, isNeeded: boolean): Piece[] | null {
  const pieces: Piece[] = [];
  for (const family of ['ipv4', 'ipv6'] as const) {
    const questions = [
      'rule show',
      `route show table all proto ${SIGN}`,
      ...(family === 'ipv6' ? ['address show dev lo'] : []),
    ];
    // Asked with -force, because an old kernel or a family that is switched off refuses single questions.
    const ran = machine.run('ip', ['-N', '-j', flag(family), '-force', '-batch', '-'], `${questions.join('\n')}\n`);
    if (ran.isMissing) {
      if (!isNeeded) return null;
      throw new CaptureError('the program "ip" is not installed, and routes are needed: install the package iproute2');
    }
    for (const shown of parseShown(ran.output)) pieces.push(...piecesOf(family, shown));
  }
  return pieces;
}

/** A line for each question that had an answer. */
function parseShown(output: string): Shown[] {
  return output.split('\n').flatMap((line) => {
    try {
      const answer: unknown = line.startsWith('[') ? JSON.parse(line) : [];
      return Array.isArray(answer) ? (answer as Shown[]) : [];
    } catch {
      return [];
    }
  });
}

function piecesOf(family: Family, shown: Shown): Piece[] {
  if (shown.addr_info !== undefined) {
    return shown.addr_info.some(({ local, metric }) => local === '::6' && metric === SIGN) ? [ADDRESS] : [];
  }
  const table = Number(shown.table);
  if (shown.fwmark !== undefined) {
    return shown.protocol === `${SIGN}` ? [rulePiece(family, Number(shown.fwmark), table)] : [];
  }
  // Rules have a priority and routes have none; all routes that were asked for are ours.
  return 'priority' in shown || !('dst' in shown) ? [] : [routePiece(family, table)];
}
