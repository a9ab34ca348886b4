// Whether all that is set in a message takes effect: the quick question, which nearly always is all there is to ask.
import { type Any, unpackAny } from '../../proto/any.ts';
import { MAX_DEPTH } from '../../proto/binary-decode.ts';
import { TYPE } from '../../proto/message-type.ts';
import type { Field, Message, MessageType } from '../../proto/message-type.ts';
import { Report } from '../../proto/report.ts';

export type Support = ReadonlyMap<string, ReadonlySet<string> | '*'>;

export type SupportParts = {
  readonly support: Support;
  /** Fields of a type that only tune; what is in them does not matter. */
  readonly tuning: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The message can be done without. */
  readonly isSkipped: (message: Message) => boolean;
};

type Plan = {
  /** No message of the type is left out for being optional. */
  readonly isWhole: boolean;
  /** By name: null where what is below does not matter, else the field. Names that are not there take no effect. */
  readonly fields: ReadonlyMap<string, Field | null>;
};

const NOTHING: Plan = { isWhole: false, fields: new Map() };

export class SupportCheck {
  readonly #parts: SupportParts;
  /** Null: nothing is looked at. */
  readonly #plans = new Map<MessageType, Plan | null>();
  /** Of Anys; one for all, because there are none as a rule. */
  #problems = new Report();

  constructor(parts: SupportParts) {
    this.#parts = parts;
  }

  /** False: reasons may be found. */
  holds(type: MessageType, value: unknown, depth = 0): boolean {
    if (depth > MAX_DEPTH) return true;
    if (type.wellKnown === 'any') {
      const any = value as Any;
      if (any.type_url === '' && any.message === undefined) return true;
      const unpacked = unpackAny(any, this.#problems);
      if (!this.#problems.isEmpty) {
        // Whoever wants to know what was found wrong in Anys (fields that nobody knows) is told by the slow way.
        this.#problems = new Report();
        return false;
      }
      return unpacked === undefined || this.holds(unpacked.type, unpacked.message, depth + 1);
    }
    if (type.wellKnown !== 'none') return true;
    const plan = this.#planOf(type);
    if (plan === null) return true;
    const message = value as Message;
    if (!plan.isWhole && message['is_optional'] === true && this.#parts.isSkipped(message)) return true;
    if (plan === NOTHING) return false;
    for (const name in message) {
      const set = message[name];
      if (set === undefined) continue;
      const field = plan.fields.get(name);
      if (field === undefined || (field !== null && !this.#holdsField(field, set, depth + 1))) return false;
    }
    return true;
  }

  #holdsField(field: Field, value: unknown, depth: number): boolean {
    if (field.map !== null) {
      const type = field.map.value.message;
      const entries = value as Message;
      for (const key in entries) if (!this.holds(type, entries[key], depth)) return false;
      return true;
    }
    if (!field.repeated) return this.holds(field.message, value, depth);
    const list = value as readonly unknown[];
    for (let i = 0; i < list.length; i++) if (!this.holds(field.message, list[i], depth)) return false;
    return true;
  }

  #planOf(type: MessageType): Plan | null {
    let plan = this.#plans.get(type);
    if (plan === undefined) {
      plan = this.#makePlan(type);
      this.#plans.set(type, plan);
    }
    return plan;
  }

  #makePlan(type: MessageType): Plan | null {
    const fields = this.#parts.support.get(type.fullName);
    const tuning = this.#parts.tuning[type.fullName];
    if (fields !== undefined && fields !== '*' && fields.has('**')) return null;
    if (fields === undefined && tuning === undefined) return NOTHING;
    const known = new Map<string, Field | null>();
    for (const field of type.fields) {
      const { name } = field;
      if (fields === '*' || fields?.has(name) === true) known.set(name, holdsMessages(field) ? field : null);
      else if (tuning?.[name] !== undefined) known.set(name, null);
    }
    return { isWhole: fields === '*', fields: known };
  }
}

function holdsMessages(field: Field): boolean {
  return (field.map === null ? field : field.map.value).type === TYPE.message;
}
