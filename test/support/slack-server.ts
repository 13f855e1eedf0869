/**
 * A stand-in for Slack on loopback: its Web API (`slack-methods.ts`), Socket Mode (`slack-socket.ts`), signed requests
 * (`slack-deliveries.ts`), files and response URLs, for Slack's real library. What people do there is called on it; what the
 * bot did is in `world`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Parcel, SlackDeliveries } from './slack-deliveries.ts';
import { SlackMethods } from './slack-methods.ts';
import { type Fields, Refusal } from './slack-refusal.ts';
import { SlackSocket } from './slack-socket.ts';
import { type Channel, describeFile, type Message, SlackWorld, type StoredFile, type User } from './slack-world.ts';

export const BOT_TOKEN = 'xoxb-111-222-canary-of-the-bot-token';
export const APP_TOKEN = 'xapp-1-A0DHAAVAK-333-canary-of-the-app-token';
export const SIGNING_SECRET = '8f742231b10e8888abcd99yyyzzz85a5';

/** What the next attempt to post meets: an answer, or none. */
export type Fault = Refusal | 'cut' | 'silence';

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const POSTING = new Set(['chat.postMessage', 'files.completeUploadExternal']);

/** How something is written. */
export interface Writing {
  readonly files?: StoredFile[];
  readonly thread_ts?: string | undefined;
  /** Anything else of the event: subtype, attachments, bot_id, … */
  readonly more?: object;
}

export class SlackServer {
  readonly world = new SlackWorld();
  readonly deliveries = new SlackDeliveries();
  readonly socket = new SlackSocket(this.deliveries);
  readonly methods = new SlackMethods(this.world, () => this.root);
  /** Methods that were called, in order. */
  readonly calls: string[] = [];
  /** Faults of the next attempts to post. */
  readonly faults: Fault[] = [];
  /** What the next calls of a method are refused with. */
  readonly refusing = new Map<string, Refusal>();
  /** Calls of a method wait for it. */
  readonly holding = new Map<string, Promise<void>>();
  /** How often a wrong token was shown. */
  refusals = 0;
  attempts = 0;
  fileBytesRead = 0;
  botToken = BOT_TOKEN;
  appToken = APP_TOKEN;
  readonly #responses = new Map<string, (body: { text: string; thread_ts?: string }) => void>();
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor() {
    this.#http = createServer((request, response) => void this.#serve(request, response));
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#http.on('upgrade', (request, socket, head) => this.socket.upgrade(request, socket, head));
  }

  get root(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `${this.root}/api/`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** On the port it had, if it had one. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Cuts every connection and takes no new one. */
  drop(): void {
    this.deliveries.open = false;
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#http.closeAllConnections();
    this.drop();
  }

  /** Somebody writes: the app is told, and of a mention it is told twice. */
  post(channel: Channel, author: User, text: string, { files = [], thread_ts, more = {} }: Writing = {}) {
    const message = this.world.write(channel, { user: author.id, text, files, thread_ts });
    return { message, parcels: this.tell(channel, message, more) };
  }

  tell(channel: Channel, message: Message, more: object = {}): Parcel[] {
    const { ts, user, text, thread_ts, files } = message;
    const parent = this.world.find(channel.id, thread_ts);
    const event = {
      user,
      ts,
      text,
      team: this.world.team.id,
      channel: channel.id,
      event_ts: ts,
      ...(thread_ts === undefined ? {} : { thread_ts, parent_user_id: parent?.user }),
      ...(files.length === 0 ? {} : { subtype: 'file_share', files: files.map((file) => describeFile(file)) }),
      ...more,
    };
    const mentioned = channel.kind !== 'im' && text.includes(`<@${this.world.bot.id}>`);
    const parcels = mentioned ? [this.#event({ type: 'app_mention', ...event })] : [];
    return [...parcels, this.#event({ type: 'message', ...event, channel_type: channel.kind })];
  }

  #event(event: object): Parcel {
    return this.deliveries.send('events_api', {
      type: 'event_callback',
      team_id: this.world.team.id,
      api_app_id: 'A0DHAAVAK',
      event,
      event_id: this.world.id('Ev'),
      event_time: Math.floor(Date.now() / 1_000),
      authorizations: [{ team_id: this.world.team.id, user_id: this.world.bot.id, is_bot: true }],
    });
  }

  /** Somebody gives the app's slash command. */
  command(channel: Channel, user: User, text: string) {
    const { promise, url } = this.#responseUrl('commands');
    const names = { im: 'directmessage', group: 'privategroup', mpim: `mpdm-${channel.name}`, channel: channel.name };
    const body = {
      token: 'deprecated',
      team_id: this.world.team.id,
      team_domain: 'kitchen',
      channel_id: channel.id,
      channel_name: names[channel.kind],
      user_id: user.id,
      user_name: user.name,
      command: '/dhaavak',
      text,
      api_app_id: 'A0DHAAVAK',
      is_enterprise_install: 'false',
      response_url: url,
      trigger_id: `13345224609.738474920.${this.world.id('')}`,
    };
    return { body, parcel: this.deliveries.send('slash_commands', body), response: promise };
  }

  /** Somebody presses the button with this value. Resolves with what they are shown. */
  press(user: User, message: Message, value: string): Promise<{ text: string; thread_ts?: string }> {
    const { promise, url } = this.#responseUrl('actions');
    const element = message.blocks.flatMap(({ elements = [] }) => elements).find((button) => button.value === value)!;
    const { ts, channel, thread_ts, text, blocks } = message;
    this.deliveries.send('interactive', {
      type: 'block_actions',
      user: { id: user.id, username: user.name, name: user.name, team_id: this.world.team.id },
      team: { id: this.world.team.id, domain: 'kitchen' },
      trigger_id: `13345224609.738474920.${this.world.id('')}`,
      response_url: url,
      channel: { id: channel, name: this.world.channels.get(channel)!.name },
      container: { type: 'message', message_ts: ts, channel_id: channel, is_ephemeral: false, thread_ts },
      message: { type: 'message', ts, thread_ts, text, blocks, user: this.world.bot.id },
      actions: [{ ...element, block_id: 'b', action_ts: this.world.ts() }],
    });
    return promise;
  }

  #responseUrl(kind: string) {
    const { promise, resolve } = Promise.withResolvers<{ text: string; thread_ts?: string }>();
    const path = `/${kind}/${this.world.team.id}/secret-of-a-response-${this.world.id('')}`;
    this.#responses.set(path, resolve);
    return { promise, url: `${this.root}${path}` };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', this.root);
    try {
      if (pathname.startsWith('/files-pri/')) return await this.#serveFile(pathname, request, response);
      const body = await read(request);
      const answer = await this.#answer(pathname, request, body);
      if (answer === undefined) return response.destroyed ? undefined : void request.socket.destroy();
      if (answer !== 'silence') json(response, 200, answer);
    } catch (error) {
      const { status, body, headers } = error instanceof Refusal ? error : new Refusal('fatal_error', {}, 500);
      json(response, status, body, headers);
    }
  }

  /** What is answered; undefined: the connection is cut. */
  async #answer(pathname: string, request: IncomingMessage, body: Buffer): Promise<object | 'silence' | undefined> {
    const respond = this.#responses.get(pathname);
    if (respond) {
      respond(JSON.parse(body.toString()) as { text: string });
      return { ok: true };
    }
    if (pathname.startsWith('/upload/v1/')) {
      this.methods.upload(pathname.split('/')[3] ?? '', body);
      return { ok: true };
    }
    const method = pathname.replace(/^\/api\//, '');
    this.calls.push(method);
    this.#authorize(method, request);
    if (POSTING.has(method)) {
      this.attempts += 1;
      const fault = this.faults.shift();
      if (fault === 'cut') return undefined;
      if (fault === 'silence') return 'silence';
      if (fault) throw fault;
    }
    await this.holding.get(method);
    const refusal = this.refusing.get(method);
    if (refusal) throw refusal;
    if (method === 'apps.connections.open') return { ok: true, url: this.socket.ticket(this.root) };
    return {
      ok: true,
      ...this.methods.call(method, Object.fromEntries(new URLSearchParams(body.toString())) as Fields),
    };
  }

  #authorize(method: string, request: IncomingMessage): void {
    const given = request.headers.authorization ?? '';
    const right = method === 'apps.connections.open' ? this.appToken : this.botToken;
    if (given === `Bearer ${right}`) return;
    this.refusals += 1;
    const swapped = given === `Bearer ${this.botToken}` || given === `Bearer ${this.appToken}`;
    throw new Refusal(given === '' ? 'not_authed' : swapped ? 'not_allowed_token_type' : 'invalid_auth');
  }

  async #serveFile(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const file = this.world.files.get(pathname.split('/')[2]?.split('-')[1] ?? '');
    const allowed =
      request.headers.authorization === `Bearer ${this.botToken}` && this.methods.scopes.has('files:read');
    if (!allowed || !file) {
      response.writeHead(file ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Sign in</html>');
      return;
    }
    response.writeHead(200, { 'content-type': file.mimetype });
    // Whoever has enough of it closes the connection.
    await pipeline(Readable.from(this.#chunks(file.data)), response).catch(() => undefined);
  }

  *#chunks(data: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < data.length; at += 65_536) {
      const chunk = data.subarray(at, at + 65_536);
      this.fileBytesRead += chunk.length;
      yield chunk;
    }
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal('request_too_large', {}, 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.destroyed) return;
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}

/** Starts a local Slack. */
export async function startSlackServer(): Promise<SlackServer> {
  const server = new SlackServer();
  await server.listen();
  return server;
}
