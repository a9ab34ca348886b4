// What to do about fields that nobody knows: asked by whoever reads resources, answered in one place.
import type { MessageType } from '../../proto/message-type.ts';
import type { Report } from '../../proto/report.ts';
import type { Reason } from '../config-decoder.ts';

/**
 * Why a message cannot be taken, for the fields in it that were unknown when `report` was made of reading it and its
 * Anys. What is let through is counted and logged; `name` says where it came from.
 */
export type JudgeUnknown = (type: MessageType, message: object, report: Report, name: string) => readonly Reason[];
