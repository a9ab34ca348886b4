// Fills the places of a message's template, as Go's fmt does it for the types that messages have.

/** %s and %v: as it is, lists as [a b]; %d: a number; %q: in quotes. */
export function fillTemplate(template: string, values: readonly unknown[]): string {
  let at = 0;
  return template.replace(/%([sdvq])/g, (_whole, verb: string) => {
    const value = values[at++];
    return verb === 'q' ? JSON.stringify(plain(value)) : plain(value);
  });
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(' ')}]`;
  return value === undefined || value === null ? '' : String(value);
}
