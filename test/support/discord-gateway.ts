/**
 * The local Discord's gateway (v10, JSON): hello, identify with its checks, heartbeats, numbered dispatches, resume with
 * replay, and the ways in which Discord ends or troubles a connection.
 *
 * @see https://discord.com/developers/docs/events/gateway
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { DiscordWorld } from './discord-world.ts';

export const INTENT = { guilds: 1, guildMessages: 1 << 9, directMessages: 1 << 12, messageContent: 1 << 15 };
/** Members, presences, message content: to be switched on in the developer portal. */
const PRIVILEGED = (1 << 1) | (1 << 8) | INTENT.messageContent;
const KNOWN_INTENTS = 2 ** 26 - 1;

const payloadSchema = z.object({ op: z.int(), d: z.unknown() });
const identifySchema = z.object({
  token: z.string(),
  intents: z.int().min(0),
  properties: z.object({ os: z.string(), browser: z.string(), device: z.string() }),
  shard: z.tuple([z.int(), z.int()]).optional(),
});
const resumeSchema = z.object({ token: z.string(), session_id: z.string(), seq: z.int() });

interface Session {
  id: string;
  intents: number;
  seq: number;
  /** All that was dispatched, for resuming. */
  sent: { s: number; t: string; d: unknown }[];
  socket: WebSocket | undefined;
}

export class DiscordGateway {
  /** Milliseconds between heartbeats, as `hello` says. */
  heartbeatMs = 41_250;
  /** False: as if the way back to the client were cut. */
  acknowledges = true;
  /** Privileged intents that are switched on for the application. */
  allowedIntents = INTENT.messageContent;
  /** Connections wait for it before they are opened. */
  door: Promise<void> = Promise.resolve();
  /** Connections that were tried. */
  knocks = 0;
  /** What became of each connection: `identify`, `resume`. */
  readonly logins: string[] = [];
  /** Codes with which clients closed. */
  readonly closes: number[] = [];
  /** How often a wrong token was shown. */
  refusals = 0;
  readonly #world: DiscordWorld;
  readonly #token: string;
  readonly #url: () => string;
  readonly #server = new WebSocketServer({ noServer: true });
  readonly #sockets = new Map<WebSocket, Session | undefined>();
  #sessions: Session[] = [];

  constructor(world: DiscordWorld, token: string, url: () => string) {
    this.#world = world;
    this.#token = token;
    this.#url = url;
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.knocks += 1;
    await this.door;
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const { searchParams } = new URL(request.url ?? '', 'http://local');
      const version = searchParams.get('v');
      if (version !== '10' || searchParams.get('encoding') !== 'json') {
        ws.close(version === '10' ? 4_002 : 4_012);
        return;
      }
      this.#sockets.set(ws, undefined);
      ws.on('message', (data) => this.#receive(ws, String(data)));
      ws.on('close', (code) => this.#gone(ws, code));
      ws.on('error', () => undefined);
      send(ws, { op: 10, d: { heartbeat_interval: this.heartbeatMs } });
    });
  }

  /** To every session with the intent, connected or not: those that are not get it when they resume. */
  dispatch(t: string, d: unknown, intent: number): void {
    for (const session of this.#sessions) if ((session.intents & intent) === intent) this.#deliver(session, t, d);
  }

  /** Delivers the last event of this type once more, under a number of its own. */
  repeat(t: string): void {
    for (const session of this.#sessions) {
      const last = session.sent.findLast((event) => event.t === t);
      if (last) this.#deliver(session, t, last.d);
    }
  }

  /** Asks all clients to connect anew. */
  reconnect(): void {
    for (const ws of this.#sockets.keys()) send(ws, { op: 7, d: null });
  }

  /** Tells all clients that their session is no more, or (`resumable`) that they may ask again. */
  invalidate(resumable: boolean): void {
    if (!resumable) this.#sessions = [];
    for (const ws of this.#sockets.keys()) send(ws, { op: 9, d: resumable });
  }

  /** Sessions that are not connected are no more. */
  forget(): void {
    this.#sessions = this.#sessions.filter(({ socket }) => socket !== undefined);
  }

  closeAll(code: number): void {
    for (const ws of this.#sockets.keys()) ws.close(code);
  }

  get ready(): boolean {
    return this.#sessions.some(({ socket }) => socket !== undefined);
  }

  #receive(ws: WebSocket, text: string): void {
    const { success, data: payload } = payloadSchema.safeParse(parse(text));
    const session = this.#sockets.get(ws);
    if (!success) ws.close(4_002);
    else if (payload.op === 1 && this.acknowledges) send(ws, { op: 11, d: null });
    else if (payload.op === 2 && !session) this.#identify(ws, payload.d);
    else if (payload.op === 6 && !session) this.#resume(ws, payload.d);
    else if (payload.op === 2 || payload.op === 6) ws.close(4_005);
    else if (![1, 3, 4, 8].includes(payload.op)) ws.close(4_001);
    else if (payload.op !== 1 && !session) ws.close(4_003);
  }

  /** The code to close with; undefined: it may. */
  #identifyRefusal({ token, shard, intents }: z.output<typeof identifySchema>): number | undefined {
    if (token !== this.#token) return 4_004;
    if (shard && (shard[0] !== 0 || shard[1] !== 1)) return 4_010;
    if (intents > KNOWN_INTENTS) return 4_013;
    return intents & PRIVILEGED & ~this.allowedIntents ? 4_014 : undefined;
  }

  #identify(ws: WebSocket, d: unknown): void {
    const { success, data } = identifySchema.safeParse(d);
    const refusal = success ? this.#identifyRefusal(data) : 4_002;
    if (refusal === 4_004) this.refusals += 1;
    if (!success || refusal !== undefined) {
      ws.close(refusal);
      return;
    }
    this.logins.push('identify');
    const session: Session = { id: this.#world.snowflake(), intents: data.intents, seq: 0, sent: [], socket: ws };
    this.#sockets.set(ws, session);
    this.#sessions.push(session);
    const guilds = [...this.#world.guilds.values()];
    this.#deliver(session, 'READY', {
      v: 10,
      user: this.#world.bot,
      guilds: guilds.map(({ id }) => ({ id, unavailable: true })),
      session_id: session.id,
      resume_gateway_url: this.#url(),
      shard: data.shard,
      application: this.#world.application,
    });
    if (!(data.intents & INTENT.guilds)) return;
    for (const guild of guilds) this.#deliver(session, 'GUILD_CREATE', this.#world.describeGuild(guild));
  }

  #resume(ws: WebSocket, d: unknown): void {
    const { success, data } = resumeSchema.safeParse(d);
    if (!success || data.token !== this.#token) {
      ws.close(success ? 4_004 : 4_002);
      return;
    }
    this.logins.push('resume');
    const session = this.#sessions.find(({ id }) => id === data.session_id);
    if (!session || data.seq > session.seq) {
      if (session) ws.close(4_007);
      else send(ws, { op: 9, d: false });
      return;
    }
    session.socket?.terminate();
    session.socket = ws;
    this.#sockets.set(ws, session);
    for (const event of session.sent.filter(({ s }) => s > data.seq)) send(ws, { op: 0, ...event });
    this.#deliver(session, 'RESUMED', {});
  }

  #deliver(session: Session, t: string, d: unknown): void {
    session.seq += 1;
    const event = { s: session.seq, t, d };
    session.sent.push(event);
    if (session.socket) send(session.socket, { op: 0, ...event });
  }

  #gone(ws: WebSocket, code: number): void {
    this.closes.push(code);
    const session = this.#sockets.get(ws);
    this.#sockets.delete(ws);
    if (session?.socket !== ws) return;
    session.socket = undefined;
    // A client that closes in this way ends its session.
    if (code === 1_000 || code === 1_001) this.#sessions = this.#sessions.filter((other) => other !== session);
  }
}

function send(ws: WebSocket, payload: object): void {
  if (ws.readyState === ws.OPEN) ws.send(JSON.stringify({ s: null, t: null, ...payload }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
