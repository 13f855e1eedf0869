/**
 * The local Slack's Socket Mode: hello, envelopes with their acknowledgements, pings, and the ways in which Slack ends a
 * connection.
 *
 * @see https://docs.slack.dev/apis/events-api/using-socket-mode
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { Parcel, SlackDeliveries } from './slack-deliveries.ts';

/** Slack allows no more of one app. */
const CONNECTIONS_MAX = 10;
const ackSchema = z.object({ envelope_id: z.string(), payload: z.unknown() });

export class SlackSocket {
  /** False: it opens connections and does not say hello. */
  greets = true;
  /** False: as if the way back from the app were cut. */
  answersPings = true;
  /** Connections that were greeted so far. */
  greeted = 0;
  readonly #deliveries: SlackDeliveries;
  readonly #server = new WebSocketServer({ noServer: true, autoPong: false });
  readonly #sockets = new Set<WebSocket>();
  readonly #tickets = new Set<string>();
  readonly #waiting = new Map<string, (answer: unknown) => void>();

  constructor(deliveries: SlackDeliveries) {
    this.#deliveries = deliveries;
  }

  /** Where one connection may be opened. */
  ticket(root: string): string {
    const ticket = randomUUID();
    this.#tickets.add(ticket);
    return `${root.replace(/^http/, 'ws')}/link/?ticket=${ticket}&app_id=A0DHAAVAK`;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const ticket = new URL(request.url ?? '', 'http://local').searchParams.get('ticket') ?? '';
    if (!this.#tickets.delete(ticket)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      ws.setMaxListeners(0);
      ws.on('error', () => undefined);
      ws.on('close', () => this.#sockets.delete(ws));
      ws.on('ping', (data) => this.answersPings && ws.pong(data));
      ws.on('message', (data) => this.#receive(String(data)));
      if (this.#sockets.size >= CONNECTIONS_MAX) this.#end(ws, 'too_many_websockets');
      else if (this.greets) this.#greet(ws);
    });
  }

  #greet(ws: WebSocket): void {
    this.#sockets.add(ws);
    this.greeted += 1;
    send(ws, {
      type: 'hello',
      num_connections: this.#sockets.size,
      debug_info: { host: 'applink-1', build_number: 1, approximate_connection_time: 18_060 },
      connection_info: { app_id: 'A0DHAAVAK' },
    });
    ws.ping('Ping from applink-1');
    this.#deliveries.resume();
  }

  /** How parcels go. */
  async carry(parcel: Parcel): Promise<boolean> {
    const ws = [...this.#sockets].at(-1);
    if (ws === undefined) return false;
    const { kind: type, body: payload, tries } = parcel;
    const envelope_id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(envelope_id, (answer) => {
      parcel.arrived = true;
      parcel.answer = answer;
      resolve(true);
    });
    const end = (): void => resolve(false);
    const timer = setTimeout(end, type === 'events_api' ? this.#deliveries.patienceMs : 3_000);
    ws.once('close', end);
    const again = tries > 1 ? { retry_attempt: tries - 1, retry_reason: 'timeout' } : {};
    send(ws, { envelope_id, type, payload, accepts_response_payload: type !== 'events_api', ...again });
    const arrived = await promise;
    clearTimeout(timer);
    ws.off('close', end);
    return arrived;
  }

  get ready(): boolean {
    return this.#sockets.size > 0;
  }

  /** Tells all connections that they end (`warning`: soon; `refresh_requested`: now; `link_disabled`), and ends them. */
  end(reason: string): void {
    for (const ws of this.#sockets) this.#end(ws, reason);
  }

  /** Reads nothing any more, not even that the app closes. */
  freeze(): void {
    for (const ws of this.#sockets) ws.pause();
  }

  say(text: string): void {
    for (const ws of this.#sockets) ws.send(text);
  }

  #end(ws: WebSocket, reason: string): void {
    send(ws, { type: 'disconnect', reason, debug_info: { host: 'applink-1' } });
    if (reason !== 'warning') ws.close(1_000);
  }

  #receive(text: string): void {
    const { envelope_id, payload } = ackSchema.parse(JSON.parse(text));
    this.#waiting.get(envelope_id)?.(payload);
    this.#waiting.delete(envelope_id);
  }
}

function send(ws: WebSocket, message: object): void {
  if (ws.readyState === ws.OPEN) ws.send(JSON.stringify(message));
}
