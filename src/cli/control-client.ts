// How commands ask a running control plane.

export const CONTROL_OPTION = {
  control: { type: 'string', default: 'http://127.0.0.1:15014' },
} as const;
export const CONTROL_HELP = '  --control URL     pages of the control plane (http://127.0.0.1:15014)';

/** The answer's JSON, whatever its status; throws a sentence for the operator. */
export async function askControl(control: string, path: string): Promise<{ status: number; body: unknown }> {
  let response: Response;
  try {
    response = await fetch(new URL(path, control));
  } catch (error) {
    const cause = (error as Error).cause;
    const why = cause instanceof Error ? cause.message : (error as Error).message;
    throw new Error(`${control} does not answer (${why}): is heddle control running, with this --http-address?`);
  }
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) as unknown };
  } catch {
    throw new Error(`${control}${path} answered ${response.status}: ${text.trim()}`);
  }
}
