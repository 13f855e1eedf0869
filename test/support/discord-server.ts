/**
 * A stand-in for Discord on loopback: its REST API v10 with its checks, error bodies and rate limits, its gateway
 * (`discord-gateway.ts`) and its CDN, for the real library. What people do there is called on it; what the bot did is in
 * `world`.
 *
 * @see https://discord.com/developers/docs/reference
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import {
  checked,
  commandsSchema,
  createSchema,
  editSchema,
  invalid,
  json,
  Refusal,
  readJson,
  readMessage,
  refusal,
} from './discord-bodies.ts';
import { DiscordGateway, INTENT } from './discord-gateway.ts';
import { DiscordInteractions } from './discord-interactions.ts';
import { DiscordLimits } from './discord-limits.ts';
import {
  type Attachment,
  type Channel,
  DiscordWorld,
  describeChannel,
  type Message,
  type User,
  type Writing,
} from './discord-world.ts';

export const DISCORD_TOKEN = 'MTIzNDU2Nzg5MDEyMzQ1Njc4.GdTest.canary-token-of-the-local-discord';
const FILE_BYTES_MAX = 10 * 1024 * 1024;

/** What the next attempt to create a message meets: an answer, or none. */
export type Fault = Refusal | 'cut' | 'silence';

/** What is answered when nothing is. */
const SILENCE = Symbol('silence');

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
}

export class DiscordServer {
  readonly world = new DiscordWorld();
  readonly gateway: DiscordGateway;
  readonly interactions: DiscordInteractions;
  /** Method and path of every request, in order. */
  readonly calls: string[] = [];
  /** What was sent to create a message, attempts that were refused included. */
  readonly created: z.output<typeof createSchema>[] = [];
  attempts = 0;
  refusals = 0;
  fileBytesRead = 0;
  commands: object[] = [];
  /** Faults of the next attempts to create a message. */
  readonly faults: Fault[] = [];
  readonly limits = new DiscordLimits();
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  readonly #typing: string[] = [];
  #port = 0;

  constructor() {
    this.gateway = new DiscordGateway(this.world, DISCORD_TOKEN, () => this.gatewayUrl);
    this.interactions = new DiscordInteractions(this.world, this.gateway);
    this.#http = createServer((request, response) => void this.#serve(request, response));
    this.#http.keepAliveTimeout = 3_000;
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#http.on('upgrade', (request, socket, head) => void this.gateway.upgrade(request, socket, head));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/api`;
  }

  get gatewayUrl(): string {
    return `ws://127.0.0.1:${this.#port}/gateway`;
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
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.drop();
  }

  /** Somebody writes: the bot is told. */
  post(channel: Channel, author: User, content: string, writing: Writing & { nick?: string } = {}): Message {
    const message = this.world.write(channel, author, content, writing);
    this.tell(channel, message, writing.nick);
    return message;
  }

  tell(channel: Channel, message: Message, nick?: string): void {
    const guild = channel.guild_id;
    const more = guild === undefined ? {} : { guild_id: guild, member: { nick: nick ?? null, roles: [] } };
    const intent = guild === undefined ? INTENT.directMessages : INTENT.guildMessages;
    this.gateway.dispatch('MESSAGE_CREATE', { ...message, ...more, channel_type: channel.type }, intent);
  }

  /** A file on the CDN. */
  file(name: string, mediaType: string, data: Uint8Array, declaredBytes = data.length): Attachment {
    const id = this.world.snowflake();
    const url = `http://127.0.0.1:${this.#port}/cdn/attachments/${id}/${name}?ex=1&is=2&hm=3`;
    this.world.files.set(id, data);
    return { id, filename: name, size: declaredBytes, url, proxy_url: url, content_type: mediaType };
  }

  typing(channel: string): number {
    return this.#typing.filter((id) => id === channel).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    try {
      if (pathname.startsWith('/cdn/')) return await this.#serveFile(pathname, response);
      const call = {
        method: request.method ?? '',
        path: decodeURIComponent(pathname.replace(/^\/api\/v10/, '')),
        query: searchParams,
        request,
      };
      this.calls.push(`${call.method} ${call.path}`);
      const body = await this.#answer(call, response);
      if (response.destroyed || body === SILENCE) return;
      if (body === undefined) return void response.writeHead(204).end();
      json(response, 200, body);
    } catch (error) {
      const { status, body, headers } = error instanceof Refusal ? error : refusal(500, 0, String(error));
      json(response, status, body, headers);
    }
  }

  async #serveFile(path: string, response: ServerResponse): Promise<void> {
    const data = this.world.files.get(path.split('/')[3] ?? '');
    if (!data) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    // Whoever has enough of it closes the connection.
    await pipeline(Readable.from(this.#chunks(data)), response).catch(() => undefined);
  }

  *#chunks(data: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < data.length; at += 65_536) {
      const chunk = data.subarray(at, at + 65_536);
      this.fileBytesRead += chunk.length;
      yield chunk;
    }
  }

  async #answer(call: Call, response: ServerResponse): Promise<unknown> {
    const { method, path } = call;
    if (path.startsWith('/interactions/') || path.startsWith('/webhooks/')) {
      return this.interactions.answer(method, path, await readJson(call.request));
    }
    if (call.request.headers.authorization !== `Bot ${DISCORD_TOKEN}`) {
      this.refusals += 1;
      throw refusal(401, 0, '401: Unauthorized');
    }
    this.limits.checkGlobal();
    if (method === 'GET' && path === '/users/@me') return this.world.bot;
    if (method === 'GET' && path === '/applications/@me') return this.world.application;
    if (method === 'GET' && path === '/gateway/bot') {
      const limits = { total: 1_000, remaining: 999, reset_after: 60_000, max_concurrency: 1 };
      return { url: this.gatewayUrl, shards: 1, session_start_limit: limits };
    }
    if (path === `/applications/${this.world.application.id}/commands`) return this.#applicationCommands(call);
    const [, id, rest] = /^\/channels\/(\d+)(\/.*)?$/.exec(path) ?? [];
    if (id === undefined) throw refusal(404, 0, '404: Not Found');
    return this.#channel(call, response, this.#channelOf(id), rest ?? '');
  }

  #channelOf(id: string): Channel {
    const channel = this.world.channels.get(id);
    if (!channel) throw refusal(404, 10_003, 'Unknown Channel');
    if (channel.access === 'none') throw refusal(403, 50_001, 'Missing Access');
    return channel;
  }

  async #channel(call: Call, response: ServerResponse, channel: Channel, rest: string): Promise<unknown> {
    const { method, query, request } = call;
    if (method === 'GET' && rest === '') return describeChannel(channel);
    if (method === 'GET' && rest === '/messages') return this.#history(channel, query);
    if (channel.access === 'read') throw refusal(403, 50_013, 'Missing Permissions');
    if (channel.access === 'blocked') throw refusal(403, 50_007, 'Cannot send messages to this user');
    if (method === 'POST' && rest === '/typing') return void this.#typing.push(channel.id);
    if (method === 'POST' && rest === '/messages') return this.#create(request, response, channel);
    const [, id] = /^\/messages\/(\d+)$/.exec(rest) ?? [];
    if (method !== 'PATCH' || id === undefined) throw refusal(405, 0, '405: Method Not Allowed');
    return this.#edit(channel, id, await readJson(request));
  }

  #history(channel: Channel, query: URLSearchParams): Message[] {
    const limit = Number(query.get('limit') ?? 50);
    if (!(limit >= 1 && limit <= 100))
      throw invalid(['limit'], 'NUMBER_TYPE_MAX', 'int value should be less than or equal to 100.');
    const after = BigInt(query.get('after') ?? 0);
    const later = this.world.of(channel.id).filter(({ id }) => BigInt(id) > after);
    // The first ones after it, the newest of them first. History has neither server nor member.
    return later.slice(0, limit).reverse();
  }

  async #create(request: IncomingMessage, response: ServerResponse, channel: Channel): Promise<unknown> {
    const { payload, files } = await readMessage(request);
    this.attempts += 1;
    const fault = this.faults.shift();
    if (fault === 'silence') return SILENCE;
    if (fault === 'cut') response.destroy();
    else if (fault) throw fault;
    if (fault) return SILENCE;
    this.limits.checkMessage(response, channel.id);
    const body = checked(createSchema, payload);
    this.created.push(body);
    const before = body.enforce_nonce ? this.world.of(channel.id).find(({ nonce }) => nonce === body.nonce) : undefined;
    if (before) return before;
    if (!body.content?.trim() && files.length === 0) throw refusal(400, 50_006, 'Cannot send an empty message');
    if (files.some(({ size }) => size > FILE_BYTES_MAX)) throw refusal(413, 40_005, 'Request entity too large');
    const reference = body.message_reference;
    const known = reference !== undefined && this.world.find(channel.id, reference.message_id) !== undefined;
    if (reference && !known && reference.fail_if_not_exists !== false) {
      throw invalid(['message_reference'], 'REPLIES_UNKNOWN_MESSAGE', 'Unknown message');
    }
    uniqueIds(body.components);
    const attachments = await Promise.all(
      files.map(async (file) => this.file(file.name, file.type, new Uint8Array(await file.arrayBuffer()))),
    );
    const message = this.world.write(channel, this.world.bot, body.content ?? '', {
      attachments,
      components: body.components ?? [],
      nonce: body.nonce,
      repliesTo: known ? reference.message_id : undefined,
    });
    // The bot is told of its own messages, too.
    this.tell(channel, message);
    return message;
  }

  #edit(channel: Channel, id: string, payload: unknown): Message {
    const body = checked(editSchema, payload);
    const message = this.world.find(channel.id, id);
    if (!message) throw refusal(404, 10_008, 'Unknown Message');
    if (message.author.id !== this.world.bot.id)
      throw refusal(403, 50_005, 'Cannot edit a message authored by another user');
    uniqueIds(body.components);
    if (body.content !== undefined) message.content = body.content;
    if (body.components) message.components = body.components;
    message.edited_timestamp = new Date().toISOString();
    return message;
  }

  async #applicationCommands({ method, request }: Call): Promise<unknown> {
    if (method === 'GET') return this.commands;
    const commands = checked(commandsSchema, await readJson(request));
    this.commands = commands.map((one) => ({ id: this.world.snowflake(), version: this.world.snowflake(), ...one }));
    return this.commands;
  }
}

function uniqueIds(components: z.output<typeof editSchema>['components'] = []): void {
  const ids = components.flatMap((row) => row.components.map(({ custom_id }) => custom_id));
  if (new Set(ids).size < ids.length) {
    throw invalid(['components'], 'COMPONENT_CUSTOM_ID_DUPLICATED', 'Component custom id cannot be duplicated');
  }
}

/** Starts a local Discord. */
export async function startDiscordServer(): Promise<DiscordServer> {
  const server = new DiscordServer();
  await server.listen();
  return server;
}
