// Which messages are not told: by an annotation of the object, by a flag, by namespace.
import { type Message, originOf } from './message.ts';

/** Of an object that asks not to be told: 'IST0107,IST0108', or '*'. */
export const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** 'IST0103=Pod *.testing'; the object as 'KIND NAMESPACE/NAME' or 'KIND NAME.NAMESPACE', with '*' for anything. */
export type Suppression = { readonly code: string; readonly pattern: RegExp };

/** Null: it has not that form. */
export function parseSuppression(text: string): Suppression | null {
  const parts = text.split('=');
  const [code = '', object = ''] = parts;
  if (parts.length !== 2) return null;
  const pattern = object.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return { code, pattern: new RegExp(`^${pattern.join('.*')}$`, 's') };
}

/** `namespace`: only objects of it, and those that have none; null for all. */
export function isTold(message: Message, suppressions: readonly Suppression[], namespace: string | null): boolean {
  const { object, code } = message;
  if (namespace !== null && object.namespace !== '' && object.namespace !== namespace) return false;
  const asked = (object.annotations[SUPPRESS] ?? '').split(',').map((part) => part.trim());
  if (asked.includes('*') || asked.includes(code)) return false;
  const names = [originOf(message), `${object.kind} ${object.name}.${object.namespace}`];
  return !suppressions.some((one) => one.code === code && names.some((name) => one.pattern.test(name)));
}
