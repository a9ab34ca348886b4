// Server-sent events out of the chunks of a body.

export type ServerEvent = { readonly event: string; readonly data: unknown };

export class EventReader {
  #rest = '';

  /** The events that are whole now. */
  take(chunk: string): ServerEvent[] {
    const parts = (this.#rest + chunk).split('\n\n');
    this.#rest = parts.pop() ?? '';
    return parts.flatMap((part) => {
      const match = /^event: (.*)\ndata: (.*)$/.exec(part);
      return match === null ? [] : [{ event: match[1] ?? '', data: JSON.parse(match[2] ?? 'null') as unknown }];
    });
  }
}
