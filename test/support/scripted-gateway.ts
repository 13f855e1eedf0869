/** A gateway of a few lines that answers as a test tells it: for what the real one does too rarely, or not yet. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { FRAME_BYTES_MAX, IN_FLIGHT_MAX } from '../../src/protocol/limits.ts';
import { REPLY_TYPES } from '../../src/protocol/messages.ts';

/** The data of the reply to one request. A DhaavakError that is thrown is the answer; undefined: there is none. */
export type Handler = (data: Record<string, unknown>) => object | undefined;

export interface ScriptedGateway {
  readonly url: string;
  readonly token: string;
  /** Every request but `hello`, in order. */
  readonly requests: { type: string; data: Record<string, unknown> }[];
  /** Sends an event to every client. */
  send(type: string, data: object): void;
  /** Closes every connection. */
  close(code: number): void;
}

/** Listens on a free port until the test ends. It lets everybody in. */
export async function scriptedGateway(handlers: Record<string, Handler> = {}): Promise<ScriptedGateway> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const requests: ScriptedGateway['requests'] = [];
  const known: Record<string, Handler> = { hello: welcome, ping: () => ({}), ...handlers };
  server.on('connection', (socket) => {
    socket.on('message', (bytes) => {
      const { id, type, data = {} } = decodeFrame(bytes as Buffer);
      if (type !== 'hello') requests.push({ type, data: data as Record<string, unknown> });
      answer(socket, id, type, () => {
        const handler = known[type];
        if (handler === undefined) throw new DhaavakError('unknown_type', `no request has the type ${type}`);
        return handler(data as Record<string, unknown>);
      });
    });
  });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    token: 'scripted-token-0123456789',
    requests,
    send(type, data) {
      for (const socket of server.clients) send(socket, { id: 'e1-1', type, data });
    },
    close(code) {
      for (const socket of server.clients) socket.close(code);
    },
  };
}

function answer(socket: WebSocket, id: string | null, type: string, work: () => object | undefined): void {
  try {
    const data = work();
    const replyType = (REPLY_TYPES as Record<string, string>)[type] ?? 'result';
    if (data !== undefined) send(socket, { id, type: replyType, data });
  } catch (error) {
    if (!(error instanceof DhaavakError)) throw error;
    send(socket, { id, type: 'error', error: error.toWire() });
  }
}

function send(socket: WebSocket, frame: Omit<Parameters<typeof encodeFrame>[0], 'timestamp'>): void {
  // A copy: the encoder uses its buffer again, and ws sends later.
  socket.send(Buffer.from(encodeFrame({ ...frame, timestamp: Date.now() })));
}

function welcome(): object {
  const limits = { frameBytesMax: FRAME_BYTES_MAX, inFlightMax: IN_FLIGHT_MAX };
  return { protocol: 1, server: { name: 'scripted', version: '0' }, limits, features: [] };
}
