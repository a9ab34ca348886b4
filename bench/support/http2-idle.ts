// Holds HTTP/2 connections that have carried one request each and then stay idle.
import { connect, type Socket } from 'node:net';
import { FRAME, PREFACE } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';
import { FLAG_END_STREAM, readFrames } from './http2-frames.ts';
import type { IdleConnections } from './idle-connections.ts';

const AT_ONCE = 50;
const TIMEOUT_MS = 10_000;

export async function holdIdleHttp2(port: number, count: number): Promise<IdleConnections> {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - opened) }, () => openOne(port));
    sockets.push(...(await Promise.all(batch)));
  }
  return {
    open: () => sockets.filter((socket) => !socket.destroyed).length,
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function openOne(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer on an idle connection')));
    socket.on('error', reject);
    socket.write(Buffer.concat([PREFACE, raw.settings(), raw.headers(1)]));
    readFrames(socket, (type, flags, streamId) => {
      if (type === FRAME.rstStream || type === FRAME.goaway) reject(new Error(`frame of type ${type}`));
      if (streamId !== 1 || type !== FRAME.data || (flags & FLAG_END_STREAM) === 0) return;
      socket.setTimeout(0);
      socket.removeAllListeners('error');
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}
