// Taps over the admin interface, beside those of the real Envoy: what a client of POST /tap gets.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { exchange, type Json, type Running, stable, tapRig } from './tap-rig.ts';

const rig = tapRig();
const adminTap = (id: string, more: Json = {}): Json => ({
  common_config: { admin_config: { config_id: id } },
  ...more,
});
const LISTENERS = {
  one: adminTap('same'),
  two: adminTap('same'),
  other: adminTap('other', { record_downstream_connection: true, record_upstream_connection: true }),
};

type Sink = Json;
const asked = (id: string, sink: Sink, output: Json = {}, tap: Json = {}): string =>
  JSON.stringify({
    config_id: id,
    tap_config: { match: { any_match: true }, output_config: { sinks: [sink], ...output }, ...tap },
  });
const STREAMING: Sink = { format: 'JSON_BODY_AS_STRING', streaming_admin: {} };

/** A client of /tap; `text` is what it has read so far. */
class TapClient {
  status = 0;
  text = '';
  isEnded = false;
  #response: IncomingMessage | null = null;

  static async open(running: Running, body: string, isReading = true): Promise<TapClient> {
    const client = new TapClient();
    await new Promise<void>((resolve, reject) => {
      const asking = request({ port: running.proxy.adminPort, host: '127.0.0.1', method: 'POST', path: '/tap' });
      asking.on('error', reject);
      asking.on('response', (response) => {
        client.#response = response;
        client.status = response.statusCode ?? 0;
        response.on('end', () => (client.isEnded = true));
        response.on('error', () => undefined);
        if (isReading) response.on('data', (chunk: Buffer) => (client.text += chunk.toString('latin1')));
        resolve();
      });
      asking.end(body);
    });
    return client;
  }

  /** Waits for that and, to see that nothing more comes, for a while. */
  async until(done: (client: TapClient) => boolean): Promise<this> {
    for (let i = 0; i < 500 && !done(this); i++) await sleep(10);
    assert.ok(done(this), `it does not come: ${done}, status ${this.status}, so far: ${this.text}`);
    await sleep(50);
    return this;
  }

  get traces(): number {
    return this.text.split(/^\{$/m).length - 1;
  }

  leave(): void {
    this.#response?.destroy();
  }
}

/** Once the client before is gone. */
async function attach(running: Running, body: string, isReading = true): Promise<TapClient> {
  for (let i = 0; ; i++) {
    const client = await TapClient.open(running, body, isReading);
    await client.until(({ status, isEnded }) => status === 200 || isEnded);
    if (client.status === 200 || i === 100 || !client.text.startsWith('An attached')) return client;
  }
}

async function visit({ ports }: Running, ...names: readonly string[]): Promise<void> {
  for (const name of names) assert.match(await exchange(ports.get(name)!), /^HTTP\/1.1 200 [\s\S]*world/);
}

/** The answer to a body that attaches nothing. */
async function refusal(running: Running, body: string): Promise<readonly [number, string]> {
  const client = await attach(running, body);
  client.leave();
  return [client.status, client.text];
}

type Told = Readonly<Record<string, unknown>>;
const SCENES: Readonly<Record<string, (running: Running, files: string) => Promise<Told>>> = {
  'one trace after another, of all filters with that id': async (running) => {
    const client = await attach(running, asked('same', STREAMING));
    await visit(running, 'one', 'two', 'other', 'one');
    const { status, isEnded, text } = await client.until(({ traces }) => traces >= 3);
    client.leave();
    return { status, isEnded, text: stable('', text) };
  },
  'bodies as bytes, addresses, a share of all': async (running) => {
    const tap = { tap_enabled: { default_value: { numerator: 100 } } };
    const client = await attach(running, asked('other', { streaming_admin: {} }, {}, tap));
    await visit(running, 'other');
    const { text } = await client.until(({ traces }) => traces >= 1);
    client.leave();
    return { text: stable('', text) };
  },
  'in pieces': async (running) => {
    const output = { streaming: true, min_streamed_sent_bytes: 100_000, max_buffered_rx_bytes: 3 };
    const client = await attach(running, asked('same', STREAMING, output));
    await visit(running, 'one');
    const { text } = await client.until(({ traces }) => traces >= 5);
    client.leave();
    return { text: stable('', text) };
  },
  'what does not match': async (running) => {
    const match = { http_request_headers_match: { headers: [{ name: 'x-odd', exact_match: 'no' }] } };
    const client = await attach(running, asked('same', STREAMING, {}, { match }));
    await visit(running, 'one');
    const { text } = await client.until(() => true);
    client.leave();
    return { text };
  },
  'enough traces end it': async (running) => {
    const client = await attach(running, asked('same', { buffered_admin: { max_traces: 2 } }));
    await visit(running, 'one');
    const before = (await client.until(() => true)).text;
    await visit(running, 'two', 'one');
    const { text, isEnded } = await client.until((client) => client.isEnded);
    return { before, text: stable('', text), isEnded };
  },
  'time ends it': async (running) => {
    const client = await attach(running, asked('same', { buffered_admin: { max_traces: 9, timeout: '0.7s' } }));
    await visit(running, 'one');
    const before = client.text;
    const { text, isEnded } = await client.until((client) => client.isEnded);
    return { before, text: stable('', text), isEnded };
  },
  'time ends it without a trace': async (running) => {
    const client = await attach(running, asked('same', { buffered_admin: { max_traces: 9, timeout: '0.2s' } }));
    const { text, isEnded } = await client.until((client) => client.isEnded);
    return { text, isEnded };
  },
  'binary pieces behind their lengths': async (running) => {
    const sink = { format: 'PROTO_BINARY_LENGTH_DELIMITED', buffered_admin: { max_traces: 2 } };
    const client = await attach(running, asked('same', sink));
    await visit(running, 'one', 'one');
    const { text, isEnded } = await client.until((client) => client.isEnded);
    return { text: stable('.pb_length_delimited', text), isEnded };
  },
  'files, while the client stays': async (running, files) => {
    const sink = { format: 'JSON_BODY_AS_STRING', file_per_tap: { path_prefix: join(files, 'tap') } };
    const client = await attach(running, asked('same', sink));
    await visit(running, 'one');
    await client.until(() =>
      readdirSync(files).some((file) => readFileSync(join(files, file), 'utf8').endsWith('}\n')),
    );
    client.leave();
    const found = readdirSync(files);
    return { text: client.text, files: found.map((file) => stable('', readFileSync(join(files, file), 'utf8'))) };
  },
  'one client at a time, and the next one when it is gone': async (running) => {
    const first = await attach(running, asked('same', STREAMING));
    const second = await TapClient.open(running, 'whatever');
    const refused = [second.status, (await second.until((client) => client.isEnded)).text];
    first.leave();
    const third = await attach(running, asked('other', STREAMING));
    await visit(running, 'one', 'other');
    const { status } = await third.until(({ traces }) => traces >= 1);
    third.leave();
    return { refused, status, traces: third.traces };
  },
  'nobody listens any more': async (running) => {
    const client = await attach(running, asked('same', STREAMING));
    client.leave();
    await attach(running, 'x');
    const before = (await running.proxy.admin('/stats?filter=http.one.tap.rq_tapped')).body;
    await visit(running, 'one');
    return { isSame: before === (await running.proxy.admin('/stats?filter=http.one.tap.rq_tapped')).body };
  },
  'bodies that attach nothing': async (running) => ({
    none: await refusal(running, ''),
    unknown: await refusal(running, asked('nobody', STREAMING)),
    text: await refusal(running, 'x'),
    method: (await running.proxy.admin('/tap')).status,
    help: /^ {2}\/tap.*$/m.exec((await running.proxy.admin('/help')).body)?.[0],
    status: await Promise.all(
      [
        '[1',
        'config_id: same',
        'nothing: here',
        '{config_id: "", tap_config: {}}',
        '{config_id: same, tap_config: {output_config: {}}}',
        asked('same', {}),
        asked('same', { buffered_admin: {} }),
        asked('same', { buffered_admin: { max_traces: 0 } }),
      ].map(async (body) => (await refusal(running, body))[0]),
    ),
  }),
};

const envoy = findEnvoy();
const skip = envoy.path === null && !arePeersRequired() ? envoy.reason : false;

for (const workers of [1, 2]) {
  describe(`/tap beside that of Envoy, workers: ${workers}`, { skip }, () => {
    let pair: readonly Running[];
    before(async () => {
      const more = ['--concurrency', String(workers)];
      pair = await Promise.all((['envoy', 'heddle'] as const).map((kind) => rig.start(kind, LISTENERS, more)));
    });
    after(async () => {
      for (const { proxy } of pair) await proxy.stop();
    });
    for (const [name, scene] of Object.entries(SCENES)) {
      it(name, async () => {
        const [theirs, ours] = await Promise.all(
          pair.map((running) => {
            const files = join(rig.directory, `${running.proxy.kind}-${workers}-${name.replaceAll(/\W/g, '')}`);
            mkdirSync(files);
            return scene(running, files);
          }),
        );
        assert.deepEqual(ours, theirs);
      });
    }
  });
}

describe('/tap', () => {
  let running: Running;
  before(async () => {
    running = await rig.start('heddle', LISTENERS, ['--concurrency', '2']);
  });
  after(() => running.proxy.stop());

  it('refuses what would end Envoy', async () => {
    const refused = async (body: string): Promise<string> => {
      const [status, text] = await refusal(running, body);
      assert.equal(status, 400);
      return text;
    };
    for (const format of ['PROTO_BINARY', 'PROTO_TEXT', 'PROTO_BINARY_LENGTH_DELIMITED']) {
      const text = await refused(asked('same', { format, streaming_admin: {} }));
      assert.match(text, /sinks\[0\]: streaming admin output only supports JSON formats$/);
    }
    for (const format of ['PROTO_BINARY', 'PROTO_TEXT']) {
      const text = await refused(asked('same', { format, buffered_admin: { max_traces: 1 } }));
      assert.match(text, /buffered admin output only supports JSON or length delimited proto binary formats$/);
    }
    const grpc = { streaming_grpc: { grpc_service: { envoy_grpc: { cluster_name: 'a' } } } };
    assert.match(await refused(asked('same', grpc)), /streaming_grpc: is not supported/);
    const matchless = await refused(asked('same', STREAMING, {}, { match: undefined }));
    assert.match(matchless, /Neither match nor match_config is set in TapConfig$/);
    // Nothing of that is left attached.
    const client = await attach(running, asked('same', STREAMING));
    assert.equal(client.status, 200);
    client.leave();
  });

  it('drops and counts traces that a client does not read, and goes on when it does', async () => {
    const output = { max_buffered_rx_bytes: 1_000_000, max_buffered_tx_bytes: 1_000_000 };
    const client = await attach(running, asked('same', STREAMING, output), false);
    const lost = async (): Promise<number> =>
      Number(
        /traces_lost: (\d+)/.exec((await running.proxy.admin('/stats?filter=http.one.tap.traces_lost')).body)?.[1],
      );
    const filler = 'x'.repeat(900_000);
    const post = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const port = running.ports.get('one')!;
        const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/' }, (response) => {
          response.resume().on('end', resolve);
        });
        asking.on('error', reject);
        asking.end(filler);
      });
    for (let i = 0; i < 200 && (await lost()) === 0; i++) await post();
    assert.ok((await lost()) > 0);
    client.leave();
    const next = await attach(running, asked('same', STREAMING));
    await visit(running, 'one');
    assert.equal((await next.until(({ traces }) => traces >= 1)).traces, 1);
    next.leave();
  });
});

it('/tap is not there before a configuration names an id', async () => {
  const sink = { file_per_tap: { path_prefix: join(rig.directory, 'none') } };
  const config = { match: { any_match: true }, output_config: { sinks: [sink] } };
  const { proxy } = await rig.start('heddle', { plain: { common_config: { static_config: config } } });
  try {
    assert.equal((await proxy.admin('/tap', 'POST')).status, 404);
    assert.doesNotMatch((await proxy.admin('/help')).body, /\/tap/);
  } finally {
    await proxy.stop();
  }
});
