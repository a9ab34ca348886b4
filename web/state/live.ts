// The stream of the control plane: opened, followed, and opened again whenever it ends.
import { effect } from '@preact/signals';
import type { ListedObject, ToldFinding } from '../../src/control/api/object-types.ts';
import type { HelloEvent, TimelineEntry, TrafficEvent } from '../../src/control/telemetry/page-types.ts';
import { ask, askJson, token } from './api.ts';
import { EventReader, type ServerEvent } from './event-reader.ts';
import { connection, findings, now, objects, takeChange, takeHello, takeTraffic, windowS } from './mesh.ts';
import { route } from './route.ts';
import { forgetToken } from './token.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
/** The server says something every 5 s. */
const SILENCE_MS = 15_000;
const OBJECTS_WAIT_MS = 300;

/** Follows for as long as the page is there, anew with each other window of time. */
export function followMesh(): void {
  setInterval(() => {
    now.value = Date.now();
  }, 1000);
  effect(() => {
    const stop = new AbortController();
    if (token.value !== '') void follow(windowS.value, stop.signal);
    return () => stop.abort();
  });
  // Objects are asked for while somebody looks at them.
  effect(() => {
    if (route.value.view === 'objects' && connection.value === 'open') void loadObjects();
  });
}

async function follow(seconds: number, stopped: AbortSignal): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !stopped.aborted; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const outcome = await readStream(seconds, stopped).catch(() => 'failed' as const);
    if (stopped.aborted) return;
    if (outcome === 'refused') {
      forgetToken();
      connection.value = 'refused';
      return;
    }
    if (outcome === 'ended') waitMs = FIRST_WAIT_MS;
    connection.value = outcome === 'full' ? 'full' : 'lost';
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

async function readStream(seconds: number, stopped: AbortSignal): Promise<'refused' | 'full' | 'ended' | 'failed'> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await ask(`/api/v1/live?window=${seconds}`, AbortSignal.any([stopped, silence.signal]));
    if (response.status === 401) return 'refused';
    if (!response.ok || response.body === null) return 'failed';
    const reader = new EventReader();
    for await (const chunk of chunksOf(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      for (const event of reader.take(chunk)) {
        if (event.event === 'refused') return 'full';
        if (!stopped.aborted) take(event);
      }
    }
    return 'ended';
  } finally {
    clearTimeout(timer);
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

function take({ event, data }: ServerEvent): void {
  connection.value = 'open';
  if (event === 'hello') takeHello(data as HelloEvent);
  if (event === 'traffic') takeTraffic(data as TrafficEvent);
  if (event === 'change') takeChange(data as TimelineEntry);
  if (event === 'change' || event === 'status' || event === 'hello') askForObjectsSoon();
}

let objectsTimer: ReturnType<typeof setTimeout> | null = null;

function askForObjectsSoon(): void {
  if (route.value.view !== 'objects' || objectsTimer !== null) return;
  objectsTimer = setTimeout(() => {
    objectsTimer = null;
    void loadObjects();
  }, OBJECTS_WAIT_MS);
}

async function loadObjects(): Promise<void> {
  try {
    const [listed, told] = await Promise.all([
      askJson<{ objects: ListedObject[] }>('/api/v1/objects'),
      askJson<{ findings: ToldFinding[] }>('/api/v1/findings'),
    ]);
    objects.value = listed.objects;
    findings.value = told.findings;
  } catch {
    // The stream tells that the connection is lost, and objects are asked for again when it is back.
  }
}
