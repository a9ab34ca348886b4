// Finds the deprecated fields and enum values that a message uses: Envoy warns about them, and refuses some by default.
import { TYPE } from './message-type.ts';
import type { Deprecation, Field, MessageType } from './message-type.ts';
import { joinPath } from './report.ts';
import { walk } from './walk.ts';

export interface DeprecatedUse extends Deprecation {
  readonly path: string;
  /** Full name of the field or enum value: what follows `envoy.deprecated_features:` in Envoy's runtime keys. */
  readonly name: string;
}

/** Lists what is deprecated in `message` and in the messages below it, those inside Anys too. */
export function findDeprecatedUses<T>(type: MessageType<T>, message: T, path = ''): DeprecatedUse[] {
  const uses: DeprecatedUse[] = [];
  const add = (deprecation: Deprecation | null, name: string, where: string): void => {
    if (deprecation === null || !(deprecation.deprecated || deprecation.disallowedByDefault)) return;
    const { deprecated, deprecatedAtMinorVersion, disallowedByDefault } = deprecation;
    uses.push({ path: where, name, deprecated, deprecatedAtMinorVersion, disallowedByDefault });
  };
  walk(
    type,
    message,
    (owner, visited, at) => {
      for (const field of owner.fields) {
        const value = visited[field.name];
        if (value === undefined && !isPlainEnum(field)) continue;
        const where = joinPath(at, field.name);
        if (value !== undefined) add(field, `${owner.fullName}.${field.name}`, where);
        for (const used of enumValues(field, value)) add(field.enum.deprecation(used), valueName(field, used), where);
      }
    },
    undefined,
    path,
  );
  return uses;
}

/** An unset field of this kind has the default value, and that may be the deprecated one. */
function isPlainEnum(field: Field): boolean {
  return field.type === TYPE.enum && !field.repeated && !field.hasPresence;
}

function enumValues(field: Field, value: unknown): string[] {
  if (field.type !== TYPE.enum) return [];
  if (value === undefined) return [field.enum.name(field.enum.defaultNumber) ?? ''];
  const values = field.repeated ? (value as unknown[]) : [value];
  return values.filter((one) => typeof one === 'string');
}

/** The full name of an enum value: it belongs to the scope that its enum is in. */
function valueName(field: Field, value: string): string {
  return field.typeName.slice(0, field.typeName.lastIndexOf('.') + 1) + value;
}
