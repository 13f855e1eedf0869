/** What Slack brings to the suite of adapters: the adapter, in either mode, and a local Slack with two people in it. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { expect, onTestFinished } from 'vitest';
import type { Adapter, AttachmentKind, Chat, Sender } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/slack/adapter.ts';
import { AGAIN_MS } from '../../src/channels/slack/catch-up.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { httpCourier, type Parcel } from '../support/slack-deliveries.ts';
import { displayed } from '../support/slack-display.ts';
import { Refusal } from '../support/slack-refusal.ts';
import {
  APP_TOKEN,
  BOT_TOKEN,
  type Fault,
  SIGNING_SECRET,
  type SlackServer,
  startSlackServer,
} from '../support/slack-server.ts';
import type { Channel, Message, User } from '../support/slack-world.ts';
import {
  type AdapterFixture,
  BOT,
  type Posted,
  type PostOptions,
  type SendFault,
  type Shown,
} from './adapter-fixture.ts';
import { Recorder } from './recorder.ts';

export type Mode = 'socket' | 'http';
type Settings = Parameters<typeof createAdapter>[0];

const WRONG_TOKEN = 'xoxb-111-222-canary-of-a-wrong-token';
/** How often things are looked after here. */
const MINUTE_S = 60;
/** How often HTTP mode looks after its token here. */
const LOOK_MS = 100;

/** The fixture, and Slack itself for its own cases. */
export interface SlackFixture extends AdapterFixture {
  readonly server: SlackServer;
  /** The account's. */
  readonly folder: string;
  /** For adapters that are not started yet. */
  readonly intervals: { againMs: number };
  /** A thread there. */
  readonly thread: Message;
  readonly asha: User;
  readonly kitchen: Channel;
  readonly direct: Channel;
  /** It is a minute later at Slack. */
  later(): void;
  /** Another adapter of the same account, with the same folder: the gateway after a restart. */
  make(settings: Partial<Settings>, log?: Logger): Adapter;
}

export async function slackFixture(mode: Mode, log: Logger): Promise<SlackFixture> {
  const server = await startSlackServer();
  const folder = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
  const { world, deliveries } = server;
  // What was said before the account was there could not be missed; what is said after `later` could.
  world.pass(-2 * MINUTE_S);
  const asha = world.user('Asha');
  const ben = world.user('Ben');
  const kitchen = world.channel('kitchen');
  const garden = world.channel('garden', 'group');
  const direct = world.channel(asha.id, 'im');
  const other = world.channel(ben.id, 'im');
  const root = world.write(kitchen, { user: ben.id, text: 'a thread begins' });
  world.pass(MINUTE_S);

  const intervals = { lookMs: LOOK_MS, againMs: AGAIN_MS };
  const secrets = mode === 'socket' ? { appToken: APP_TOKEN } : { signingSecret: SIGNING_SECRET };
  const make = (settings: Partial<Settings>, toLog = log): Adapter => {
    const all = { botToken: BOT_TOKEN, apiUrl: server.url, ...secrets, ...settings };
    const account = channelsSchema.parse({ slack: { main: all } }).slack.main!;
    const context = { account: 'main', folder, log: toLog, signal: new AbortController().signal };
    return createAdapter(account, context, intervals);
  };
  const adapter = make({});
  const front = mode === 'http' ? await webhookFront(adapter) : undefined;
  deliveries.courier = front
    ? httpCourier(() => front.url, SIGNING_SECRET, deliveries)
    : (parcel) => server.socket.carry(parcel);
  // There is no connection yet.
  if (mode === 'socket') deliveries.open = false;
  const parcels = new Map<Posted, Parcel[]>();

  function post(channel: Channel, usual: User, text: string, options: PostOptions): Posted {
    const author = options.sender ? userOf(server, options.sender) : usual;
    const files = (options.attachments ?? []).map(({ name, mediaType, data, declaredBytes }) =>
      world.file(name, mediaType, data, server.root, declaredBytes),
    );
    const thread_ts = options.thread ? root.ts : options.repliesTo;
    const content = typed(text).replaceAll(BOT, `<@${world.bot.id}>`);
    const more = author.is_bot ? { bot_id: `B${author.id.slice(1)}` } : {};
    const { message, parcels: sent } = server.post(channel, author, content, { files, thread_ts, more });
    const began = channel.kind !== 'im' && text.includes(BOT) ? message.ts : undefined;
    const posted = postedAs(channel, author, message, thread_ts ?? began);
    parcels.set(posted, sent);
    return posted;
  }

  return {
    server,
    folder,
    intervals,
    thread: root,
    asha,
    kitchen,
    direct,
    adapter,
    make,
    later: () => world.pass(MINUTE_S),
    wrongAdapter: () => make({ botToken: WRONG_TOKEN }),
    refusals: () => server.refusals,
    secrets: [BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, WRONG_TOKEN, 'secret-of-a-response', 'ticket='],
    dm: async (text, options = {}) =>
      options.elsewhere ? post(other, ben, text, options) : post(direct, asha, text, options),
    group: async (text, options = {}) => post(options.elsewhere ? garden : kitchen, asha, text, options),
    command: async (where, name, args) => {
      const channel = where === 'dm' ? direct : kitchen;
      const { body, parcel } = server.command(channel, asha, `${name} ${args}`.trim());
      const { trigger_id: id } = body;
      const posted = {
        ...postedAs(channel, asha, { ts: id } as Message, undefined),
        update: id,
        // Slack does not say when: it is when it came.
        timestamp: expect.any(Number) as number,
      };
      parcels.set(posted, [parcel]);
      return posted;
    },
    echo: async (text) =>
      void server.post(direct, world.bot, text, { more: { bot_id: world.botId, subtype: 'bot_message' } }),
    redeliver: async (posted) => {
      for (const parcel of parcels.get(posted)!) deliveries.again(parcel);
    },
    accepted: (posted) => parcels.get(posted)!.every(({ arrived }) => arrived),
    fileBytesRead: () => server.fileBytesRead,
    shown: () => world.messages.filter(({ user }) => user === world.bot.id).map((message) => shownAs(server, message)),
    attempts: () => server.attempts,
    typing: () => 0,
    fail: (fault, { retryAfterMs = 1_000 } = {}) => void server.faults.push(faultOf(fault, retryAfterMs)),
    press: async ({ chat, message }, data, sender) => {
      const pressed = world.find(chat.id, message)!;
      return (await server.press(userOf(server, sender), pressed, data)).text;
    },
    drop: () => server.drop(),
    restore: async () => {
      await server.listen();
      if (front) deliveries.resume();
    },
    connections: () => server.connections,
    close: async () => {
      server.close();
      front?.server.close();
      front?.server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The adapter, started, with its account; all is ended with the test. */
export async function liveSlack(
  mode: Mode = 'socket',
  prepare: (fixture: SlackFixture) => void = () => undefined,
): Promise<{ fixture: SlackFixture; account: Recorder }> {
  const account = new Recorder();
  const fixture = await slackFixture(mode, account.log);
  onTestFinished(async () => {
    await fixture.adapter.stop();
    await fixture.close();
    for (const secret of fixture.secrets) expect(account.said.join('\n')).not.toContain(secret);
  });
  prepare(fixture);
  await fixture.adapter.start(account);
  await account.reaches('ready');
  return { fixture, account };
}

/** Passes what is posted to a free port to the adapter, as the gateway does. */
async function webhookFront(adapter: Adapter): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const answer = await adapter.webhook!({ method: request.method!, headers, body: Buffer.concat(chunks) });
    response.writeHead(answer.status, answer.contentType ? { 'content-type': answer.contentType } : {});
    response.end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack`, server };
}

/** As Slack keeps what people type. */
function typed(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function userOf({ world }: SlackServer, { id, name, username, bot }: Sender): User {
  const known = world.users.get(id);
  return known ?? world.user(name, { id, name: username ?? name.toLowerCase(), is_bot: bot });
}

function senderOf({ id, name, display_name, is_bot }: User): Sender {
  return { id, name: display_name, username: name, bot: is_bot };
}

function postedAs(channel: Channel, author: User, { ts }: Message, thread: string | undefined): Posted {
  return {
    update: `${channel.id}:${ts}`,
    chat: chatOf(channel, thread),
    sender: senderOf(author),
    message: ts,
    timestamp: Math.floor(Number(ts) * 1_000),
  };
}

function chatOf({ id, kind }: Channel, thread: string | undefined): Chat {
  return { id, type: kind === 'im' ? 'dm' : 'group', ...(thread === undefined ? {} : { thread }) };
}

/** In a DM, what is written in a thread is seen as the answer to what the thread began with. */
function shownAs({ world }: SlackServer, { ts, channel: id, thread_ts, text, blocks, files }: Message): Shown {
  const channel = world.channels.get(id)!;
  const inDm = channel.kind === 'im';
  const words = displayed(text, blocks);
  const [file] = files;
  return {
    message: ts,
    chat: chatOf(channel, inDm ? undefined : thread_ts),
    ...(file ? { text: '', formatting: [] } : words),
    buttons: blocks
      .filter(({ type }) => type === 'actions')
      .map(({ elements = [] }) => elements.map(({ text: label, value }) => ({ label: label.text, data: value }))),
    ...(file ? { file: { kind: kindOf(file.mimetype), name: file.name, data: file.data, caption: words.text } } : {}),
    ...(inDm && thread_ts !== undefined ? { replyTo: thread_ts } : {}),
  };
}

function kindOf(mediaType: string): AttachmentKind {
  const [type] = mediaType.split('/');
  return type === 'image' || type === 'audio' || type === 'video' ? type : 'file';
}

function faultOf(fault: SendFault, retryAfterMs: number): Fault {
  switch (fault) {
    case 'rate_limited':
      return new Refusal('ratelimited', {}, 429, { 'retry-after': String(retryAfterMs / 1_000) });
    case 'temporary':
      return new Refusal('service_unavailable', {}, 503);
    case 'rejected':
      return new Refusal('restricted_action');
    case 'gone':
      return new Refusal('is_archived');
    case 'unauthorized':
      return new Refusal('token_revoked');
    case 'unknown':
      return 'cut';
    case 'silence':
      return 'silence';
    case 'formatting':
      throw new Error('Slack refuses no formatting');
  }
}
