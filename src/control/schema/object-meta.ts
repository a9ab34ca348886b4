// The metadata of objects, as the API server checks them.
import { nearest, type Problems, textRemedy } from './problem.ts';

type Fields = Readonly<Record<string, unknown>>;

const TEXTS = new Set(['name', 'generateName', 'namespace', 'uid', 'resourceVersion', 'selfLink']);
const MAPS = new Set(['labels', 'annotations']);
const OTHERS = new Set(
  [
    'generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds ownerReferences finalizers',
    'managedFields',
  ].flatMap((line) => line.split(' ')),
);
const ALL = [...TEXTS, ...MAPS, ...OTHERS];

const LABEL_1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** Which names a kind may have: 'subdomain' for most. */
export type NameRule = 'subdomain' | 'label' | 'label1035';

const NAME_RULES: Readonly<Record<NameRule, readonly [pattern: RegExp, most: number, what: string]>> = {
  subdomain: [SUBDOMAIN, 253, 'lower case letters, digits, "-" and ".", beginning and ending with a letter or digit'],
  label: [LABEL_1123, 63, 'lower case letters, digits and "-", beginning and ending with a letter or digit'],
  label1035: [LABEL_1035, 63, 'lower case letters, digits and "-", beginning with a letter'],
};

export function checkMeta(metadata: unknown, isNamespaced: boolean, rule: NameRule, problems: Problems): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    problems.error(['metadata'], 'must be an object with a name', 'add metadata.name');
    return;
  }
  const fields = metadata as Fields;
  for (const [name, value] of Object.entries(fields)) checkField(name, value, problems);
  const { name, namespace } = fields;
  if (typeof name === 'string') checkName(name, rule, problems);
  if (typeof namespace === 'string' && namespace !== '') {
    if (!isNamespaced) {
      problems.warn(['metadata', 'namespace'], 'this kind has no namespace', 'remove it');
    } else if (namespace.length > 63 || !LABEL_1123.test(namespace)) {
      const remedy = `use ${NAME_RULES.label[2]}`;
      problems.error(['metadata', 'namespace'], `${problems.show(namespace)} is no name of a namespace`, remedy);
    }
  }
}

function checkName(name: string, rule: NameRule, problems: Problems): void {
  const [pattern, most, what] = NAME_RULES[rule];
  if (name.length > most) problems.error(['metadata', 'name'], `must be no more than ${most} characters`, 'shorten it');
  else if (!pattern.test(name))
    problems.error(['metadata', 'name'], `${problems.show(name)} is no name`, `use ${what}`);
}

function checkField(name: string, value: unknown, problems: Problems): void {
  const path = ['metadata', name];
  if (value === null) return;
  if (TEXTS.has(name)) {
    if (typeof value !== 'string')
      problems.error(path, `must be a text, not ${problems.show(value)}`, textRemedy(value));
  } else if (MAPS.has(name)) {
    if (typeof value !== 'object' || Array.isArray(value)) {
      problems.error(path, `must be names and texts, not ${problems.show(value)}`, 'write "name: text" lines');
    } else checkTexts(value as Fields, name, problems);
  } else if (!OTHERS.has(name)) {
    const meant = nearest(name, ALL);
    const remedy = meant === null ? 'remove it' : `write ${meant}`;
    problems.error(path, `unknown field ${JSON.stringify(name)}`, remedy);
  } else if (name === 'generation' && !Number.isInteger(value)) {
    problems.error(path, `must be an integer, not ${problems.show(value)}`, 'write a number');
  } else if (name === 'creationTimestamp' && (typeof value !== 'string' || Number.isNaN(Date.parse(value)))) {
    problems.error(path, `must be a time, not ${problems.show(value)}`, 'write it as 2006-01-02T15:04:05Z');
  }
}

function checkTexts(texts: Fields, field: string, problems: Problems): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(texts)) {
    const path = ['metadata', field, key];
    if (typeof value !== 'string') {
      problems.error(path, `must be a text, not ${problems.show(value)}`, textRemedy(value));
      continue;
    }
    if (!isQualified(field === 'annotations' ? key.toLowerCase() : key)) {
      problems.error(path, `${problems.show(key)} is no name of one of the ${field}`, 'use [prefix.example/]name');
    }
    if (field === 'labels' && (value.length > 63 || !LABEL_VALUE.test(value))) {
      const remedy = 'use at most 63 letters, digits, "-", "_" and "."';
      problems.error(path, `${problems.show(value)} is no value of a label`, remedy);
    }
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (field === 'annotations' && bytes > MAX_ANNOTATION_BYTES) {
    problems.error(['metadata', field], `must have at most ${MAX_ANNOTATION_BYTES} bytes`, 'shorten them');
  }
}

/** '[prefix/]name', the prefix being a domain. */
function isQualified(key: string): boolean {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  if (slash >= 0) {
    const prefix = key.slice(0, slash);
    if (prefix.length === 0 || prefix.length > 253 || !SUBDOMAIN.test(prefix)) return false;
  }
  return name.length > 0 && name.length <= 63 && QUALIFIED.test(name);
}
