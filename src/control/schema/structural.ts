// A structural schema of the API server: what a CustomResourceDefinition says of the values of one version of a kind.
import { type CompiledRule, compileRule, type RuleSource } from './cel/rule.ts';
import { bytesOf } from '../../base/matcher-text.ts';
import { compileRegex, type Regex } from '../../base/regex.ts';

/** The schema as JSON, with the keywords of the API server. */
export type SchemaJson = {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaJson>>;
  readonly additionalProperties?: SchemaJson | boolean;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: SchemaJson;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly allOf?: readonly SchemaJson[];
  readonly anyOf?: readonly SchemaJson[];
  readonly oneOf?: readonly SchemaJson[];
  readonly not?: SchemaJson;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-validations'?: readonly RuleSource[];
};

/** Names that are no surprise to whoever made a schema of ours; a new one is a keyword that nobody would look at. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  [
    'type format nullable default enum properties additionalProperties required minProperties maxProperties items',
    'minItems maxItems minLength maxLength pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf',
    'allOf anyOf oneOf not x-kubernetes-preserve-unknown-fields x-kubernetes-embedded-resource',
    'x-kubernetes-int-or-string x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-map-type',
    'x-kubernetes-validations',
  ].flatMap((line) => line.split(' ')),
);

export class Schema {
  readonly json: SchemaJson;
  readonly properties: ReadonlyMap<string, Schema>;
  readonly additional: Schema | null;
  readonly items: Schema | null;
  readonly allOf: readonly Schema[];
  readonly anyOf: readonly Schema[];
  readonly oneOf: readonly Schema[];
  readonly not: Schema | null;
  /** Fields that the schema does not know are kept, whatever they say. */
  readonly keepsUnknown: boolean;
  /** Somewhere in here something has a default. */
  readonly hasDefaults: boolean;
  /** Somewhere in here there are rules. */
  readonly hasRules: boolean;
  #pattern: Regex | null = null;
  #rules: readonly CompiledRule[] | null = null;

  constructor(json: SchemaJson) {
    this.json = json;
    this.properties = new Map(Object.entries(json.properties ?? {}).map(([name, one]) => [name, new Schema(one)]));
    this.additional = typeof json.additionalProperties === 'object' ? new Schema(json.additionalProperties) : null;
    this.items = json.items === undefined ? null : new Schema(json.items);
    this.allOf = (json.allOf ?? []).map((one) => new Schema(one));
    this.anyOf = (json.anyOf ?? []).map((one) => new Schema(one));
    this.oneOf = (json.oneOf ?? []).map((one) => new Schema(one));
    this.not = json.not === undefined ? null : new Schema(json.not);
    this.keepsUnknown = json['x-kubernetes-preserve-unknown-fields'] === true || json.additionalProperties === true;
    const inner = [...this.properties.values(), ...(this.additional ? [this.additional] : [])];
    if (this.items !== null) inner.push(this.items);
    this.hasDefaults = inner.some((one) => one.hasDefaults || one.json.default !== undefined);
    this.hasRules = (json['x-kubernetes-validations'] ?? []).length > 0 || inner.some((one) => one.hasRules);
  }

  /** Compiled when the first value comes that it is for. */
  get rules(): readonly CompiledRule[] {
    this.#rules ??= (this.json['x-kubernetes-validations'] ?? []).map(compileRule);
    return this.#rules;
  }

  /** Whether some part of the text matches the pattern. A pattern that cannot be compiled is a bug of the schema. */
  matchesPattern(text: string): boolean {
    if (this.json.pattern === undefined) return true;
    if (this.#pattern === null) {
      const compiled = compileRegex(this.json.pattern);
      if ('error' in compiled) throw new Error(`the pattern ${this.json.pattern}: ${compiled.error}`);
      this.#pattern = compiled;
    }
    return this.#pattern.search(bytesOf(text));
  }

  /** The schema of a field; null for one that the schema does not know. */
  field(name: string): Schema | null {
    return this.properties.get(name) ?? this.additional;
  }
}
