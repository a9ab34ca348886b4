// Sets capture up and takes it away: all or nothing, again and again, and never a rule that is not ours.
import { type Backend, type IptablesVariant, iptablesBackend, nftBackend } from './backends.ts';
import { CaptureError, type Machine } from './machine.ts';
import type { Plan } from './plan/model.ts';
import type { InterceptOptions } from './plan/options.ts';
import { changeRoutes, removeRoutes } from './routes.ts';
import {
  chainsOfSaved,
  findOthers,
  findSquatters,
  hasOurIptablesChains,
  hasOurTable,
  requirePrivilege,
  type Survey,
  survey,
} from './survey.ts';

export type BackendChoice = 'auto' | 'nft' | 'iptables';

export type ApplyRequest = {
  readonly options: InterceptOptions;
  readonly plan: Plan;
  readonly backend: BackendChoice;
  readonly variant: IptablesVariant;
  /** Goes on where others' rules are in place. */
  readonly force: boolean;
};

/** What there is to say besides success. */
export type Applied = { readonly backend: string; readonly notes: readonly string[] };

/** After a failure, which is thrown, everything is as it was. */
export function apply(machine: Machine, request: ApplyRequest): Applied {
  requirePrivilege(machine);
  const seen = survey(machine);
  const backend = chooseBackend(machine, seen, request);
  const others = findOthers(allChains(machine, seen), request.options);
  const squatters = findSquatters(machine, request.options);
  const notes = [...backend.notes, ...others.notes];
  if (request.force) notes.push(...others.errors, ...squatters);
  else if (others.errors.length + squatters.length > 0) {
    throw new CaptureError(...others.errors, ...squatters, 'nothing was changed; --force goes on regardless');
  }
  const routes = changeRoutes(machine, request.plan);
  try {
    backend.load(request.plan);
  } catch (error) {
    routes.undo();
    throw error;
  }
  // From here on the new rules are in force; what is left of earlier ones goes.
  try {
    for (const other of otherBackends(machine, seen, backend)) other.clean();
    routes.finish();
  } catch (error) {
    backend.unload();
    routes.undo();
    throw error;
  }
  return { backend: backend.kind, notes };
}

/** Whether something of ours was there. */
export function clean(machine: Machine): boolean {
  requirePrivilege(machine);
  const seen = survey(machine);
  let found = false;
  for (const backend of presentBackends(machine, seen)) found = backend.clean() || found;
  return removeRoutes(machine) > 0 || found;
}

type Chosen = Backend & { readonly notes: readonly string[] };

function chooseBackend(machine: Machine, seen: Survey, { backend, variant }: ApplyRequest): Chosen {
  const wantsNft = backend === 'nft' || (backend === 'auto' && seen.nftProblem === null);
  if (wantsNft) {
    if (seen.nftProblem !== null) throw new CaptureError(`${seen.nftProblem}; ${NFT_REMEDY}`);
    return { ...nftBackend(machine, hasOurTable(seen)), notes: [] };
  }
  const notes = backend === 'auto' ? [`iptables is used, because ${seen.nftProblem}`] : [];
  return { ...iptablesBackend(machine, variant, seenByNft(seen)), notes };
}

const NFT_REMEDY = 'install the package nftables, or pass --backend iptables';

function seenByNft(seen: Survey): Survey | null {
  return seen.nftProblem === null ? seen : null;
}

/** Chains of the legacy kind are asked for only where the kernel says that there are some. */
function allChains(machine: Machine, seen: Survey): Survey['chains'] {
  const isBlind = seen.nftProblem !== null;
  if (!isBlind && seen.legacyTables.length === 0) return seen.chains;
  const infix = seen.legacyTables.length > 0 ? '-legacy' : '';
  const saved = (['ip', 'ip6'] as const).flatMap((family) =>
    chainsOfSaved(machine.run(`${family}tables${infix}-save`, []).output, family),
  );
  return [...seen.chains, ...saved];
}

/** Back-ends that may hold something of ours. */
function presentBackends(machine: Machine, seen: Survey): Backend[] {
  const backends: Backend[] = [];
  const isBlind = seen.nftProblem !== null;
  if (hasOurTable(seen)) backends.push(nftBackend(machine, true));
  if (isBlind) backends.push(iptablesBackend(machine, '', seenByNft(seen)));
  else if (hasOurIptablesChains(seen)) backends.push(iptablesBackend(machine, 'nft', seenByNft(seen)));
  if (seen.legacyTables.length > 0) backends.push(iptablesBackend(machine, 'legacy', seenByNft(seen)));
  return backends;
}

function otherBackends(machine: Machine, seen: Survey, chosen: Chosen): Backend[] {
  return presentBackends(machine, seen).filter(({ kind }) => kind !== chosen.kind);
}
