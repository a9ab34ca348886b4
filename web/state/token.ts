// The token of this page: it comes in the address once, and stays with the tab.

const KEY = 'heddle-token';

/** Takes it out of the address, so that nobody sees it there, and it gets into no history. '' when there is none. */
export function takeToken(): string {
  const given = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (given === undefined) return sessionStorage.getItem(KEY) ?? '';
  const token = decoded(given);
  sessionStorage.setItem(KEY, token);
  history.replaceState(null, '', `${location.pathname}#/graph`);
  return token;
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
