// What Envoy's response flags mean, in a few words.

const MEANINGS: Readonly<Record<string, string>> = {
  DC: 'the caller went away',
  DI: 'delayed by a fault that was injected',
  DPE: 'the caller broke the protocol',
  DT: 'the request or connection lasted too long',
  FI: 'aborted by a fault that was injected',
  IH: 'refused for an invalid header',
  LH: 'no healthy endpoint',
  LR: 'reset on this side',
  NC: 'the cluster is not there',
  NR: 'no route fits',
  OM: 'overload: refused',
  RL: 'rate limited',
  RLSE: 'the rate limit service failed',
  SI: 'idle for too long',
  UAEX: 'refused by an authorization service',
  UC: 'the connection to the endpoint ended',
  UF: 'the endpoint could not be connected to',
  UH: 'no healthy endpoint',
  UMSDR: 'the request lasted too long',
  UO: 'too many requests at once (circuit breaker)',
  UPE: 'the endpoint broke the protocol',
  UR: 'the endpoint reset the request',
  URX: 'retries are used up',
  UT: 'the endpoint took too long',
};

/** 'UF,URX' → 'the endpoint could not be connected to; retries are used up'. */
export function meaningOf(flags: string): string {
  return flags
    .split(',')
    .map((flag) => MEANINGS[flag] ?? '')
    .filter((meaning) => meaning !== '')
    .join('; ');
}
