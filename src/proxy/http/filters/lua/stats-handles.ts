// Statistics that scripts keep, under the names of their filter.
import { numberAt, stringAt } from '../../../../lua/lib/arguments.ts';
import { ArgumentError, LuaError, type LuaValue } from '../../../../lua/values.ts';
import type { Scope } from '../../../../telemetry/metrics.ts';
import { Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';

/** Names come from scripts, perhaps from what they read of requests. */
const MAX_NAMES = 1000;
const MAX_NAME_CHARS = 256;

/** The statistics of a filter, shared by all its runs. */
export type ScriptStats = { readonly scope: Scope; readonly names: Set<string> };

export class StatsHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'stats',
    methods: {
      counter: (args) => {
        const { owner, stats } = selfOf(args, StatsHandle);
        return new CounterHandle(owner, stats.scope, stats.scope.dynamicCounter(nameAt(args, stats)));
      },
      gauge: (args) => {
        const { owner, stats } = selfOf(args, StatsHandle);
        return new GaugeHandle(owner, stats.scope, stats.scope.dynamicGauge(nameAt(args, stats)));
      },
      histogram: (args) => {
        const { owner, stats } = selfOf(args, StatsHandle);
        return new HistogramHandle(owner, stats.scope, stats.scope.dynamicHistogram(nameAt(args, stats)));
      },
    },
  };

  readonly stats: ScriptStats;

  constructor(owner: Owner, stats: ScriptStats) {
    super(StatsHandle.kind, owner);
    this.stats = stats;
  }
}

function nameAt(args: LuaValue[], { names }: ScriptStats): string {
  const name = stringAt(args, 1);
  if (name === '' || name.length > MAX_NAME_CHARS) throw new ArgumentError(2, 'no name of a statistic');
  if (!names.has(name)) {
    if (names.size >= MAX_NAMES) throw new LuaError(`scripts of a filter may keep ${MAX_NAMES} statistics`, true);
    names.add(name);
  }
  return name;
}

function amountAt(args: LuaValue[], at: number): number {
  const n = Math.trunc(numberAt(args, at));
  if (!(n >= 0 && n <= Number.MAX_SAFE_INTEGER)) throw new ArgumentError(at + 1, 'value must be >= 0');
  return n;
}

class CellHandle extends Handle {
  readonly scope: Scope;
  readonly cell: number;

  constructor(kind: HandleKind, owner: Owner, scope: Scope, cell: number) {
    super(kind, owner);
    this.scope = scope;
    this.cell = cell;
  }
}

class CounterHandle extends CellHandle {
  static readonly kind: HandleKind = {
    name: 'counter',
    methods: {
      inc: (args) => change(selfOf(args, CounterHandle), 1),
      add: (args) => change(selfOf(args, CounterHandle), amountAt(args, 1)),
      value: (args) => valueOf(selfOf(args, CounterHandle)),
    },
  };

  constructor(owner: Owner, scope: Scope, cell: number) {
    super(CounterHandle.kind, owner, scope, cell);
  }
}

class GaugeHandle extends CellHandle {
  static readonly kind: HandleKind = {
    name: 'gauge',
    methods: {
      inc: (args) => change(selfOf(args, GaugeHandle), 1),
      dec: (args) => change(selfOf(args, GaugeHandle), -1),
      add: (args) => change(selfOf(args, GaugeHandle), amountAt(args, 1)),
      sub: (args) => change(selfOf(args, GaugeHandle), -amountAt(args, 1)),
      set: (args) => {
        const { scope, cell } = selfOf(args, GaugeHandle);
        scope.set(cell, amountAt(args, 1));
        return [];
      },
      value: (args) => valueOf(selfOf(args, GaugeHandle)),
    },
  };

  constructor(owner: Owner, scope: Scope, cell: number) {
    super(GaugeHandle.kind, owner, scope, cell);
  }
}

class HistogramHandle extends CellHandle {
  static readonly kind: HandleKind = {
    name: 'histogram',
    methods: {
      recordValue: (args) => {
        const { scope, cell } = selfOf(args, HistogramHandle);
        scope.record(cell, amountAt(args, 1));
        return [];
      },
    },
  };

  constructor(owner: Owner, scope: Scope, cell: number) {
    super(HistogramHandle.kind, owner, scope, cell);
  }
}

function change({ scope, cell }: CellHandle, by: number): LuaValue[] {
  scope.add(cell, by);
  return [];
}

function valueOf({ scope, cell }: CellHandle): number {
  return scope.value(cell);
}
