// Type URLs of google.protobuf.Any: the part after the last slash is the message's full name.

export const TYPE_URL_PREFIX = 'type.googleapis.com/';

/** The message name in a type URL: `type.googleapis.com/a.b.C` and `a.b.C` both give `a.b.C`. */
export function typeUrlName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

export function typeUrlOf(fullName: string): string {
  return TYPE_URL_PREFIX + fullName;
}
