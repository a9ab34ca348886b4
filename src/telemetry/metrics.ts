// Statistics: schemas of names declared once per kind, scopes of numeric cells, full names made only when dumped.

export type StatKind = 'counter' | 'gauge' | 'histogram' | 'histogram-percent' | 'text-readout';
export type StatSchema = Readonly<Record<string, StatKind>>;

/** The cells of one schema under one prefix. `i` maps a stat's name to its cell's number, resolved at config time. */
export type Scope = {
  readonly prefix: string;
  inc(cell: number): void;
  dec(cell: number): void;
  add(cell: number, n: number): void;
  set(cell: number, value: number): void;
  value(cell: number): number;
  /** Records into the histogram whose number the schema gave. Units by name: *_ms and *_time ms, *_size bytes. */
  record(histogram: number, value: number): void;
  /** A counter outside the schema, made at first use ('upstream_rq_200'); returns its cell. */
  dynamicCounter(name: string): number;
  dynamicHistogram(name: string): number;
  /** Gives the cells back; the stats disappear from dumps. */
  release(): void;
};

export type StatStore = {
  scope<S extends StatSchema>(prefix: string, schema: S): Scope & { readonly i: { readonly [name in keyof S]: number } };
};
