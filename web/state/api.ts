// Asks the control plane, with the token.
import { signal } from '@preact/signals';

export const token = signal('');

export function ask(path: string, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(path, { headers: { authorization: `Bearer ${token.value}` }, signal, cache: 'no-store' });
}

export async function askJson<T>(path: string): Promise<T> {
  const response = await ask(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as T;
}
