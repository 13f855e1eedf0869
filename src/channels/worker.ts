/** The thread of the channels: an actor for each account, and what they share. */
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { Packr } from 'msgpackr';
import { monotonicFactory } from 'ulid';
import { Account } from '../../actors/channel/account.ts';
import { type ChannelAnswer, channelKind } from '../../actors/channel/channel.ts';
import { channelKey, parseTarget } from '../../actors/channel/channel-key.ts';
import { Questions } from '../../actors/channel/questions.ts';
import { Runs } from '../../actors/channel/runs.ts';
import type { EnabledAccount } from '../config/channels.ts';
import { DEFAULT_ACCOUNT } from '../config/default-account.ts';
import type { Outcome } from '../delivery/dispatch.ts';
import { Pairing, pairingInfo } from '../inbound/pairing.ts';
import { createPlace } from '../inbound/place.ts';
import { DhaavakError, toWireError } from '../protocol/errors.ts';
import { formatAddress } from '../runtime/actor.ts';
import { ActorSystem } from '../runtime/system.ts';
import { Link } from '../shards/link.ts';
import type { RingReader } from '../shards/ring.ts';
import { laneOf, type OutboxKey } from '../storage/outbox.ts';
import { Store } from '../storage/store.ts';
import { createLogger } from '../telemetry/log.ts';
import { knowSecrets } from '../telemetry/redact.ts';
import type { WebhookRequest, WebhookResponse } from './adapter.ts';
import { adapterUrl } from './adapters.ts';
import { catchErrors } from './blame.ts';
import {
  type AccountName,
  type Answered,
  CHANNEL_RECORD,
  CHANNELS_HEARTBEAT_MS,
  type ChannelsControl,
  type ChannelsData,
  type ChannelsMain,
} from './control.ts';
import { ShardClient } from './shard-client.ts';

/** Undelivered messages of one account in an answer to `channel.list`. */
const UNDELIVERED_SHOWN = 20;

const { config, accounts: enabled, generation, link: linkEnd, control, heartbeat } = workerData as ChannelsData;

const log = createLogger({ level: config.log.level, name: 'channels' });
catchErrors((error) => {
  log.fatal({ error }, 'an error that belongs to no account ends the thread of the channels');
  process.exit(1);
});
const main = comlink.wrap<ChannelsMain>(nodeEndpoint(control));
const store = new Store(config.home);
const packr = new Packr({ useRecords: false });
const newId = monotonicFactory(Math.random);
let takesMore = true;
let opened = false;

const accounts = new Map(
  enabled.map((settings) => {
    const account = newAccount(settings);
    return [account.key, account] as const;
  }),
);
const shards = new ShardClient(
  { send: (...record) => link.send(...record), sendWithTurn: (...record) => link.sendWithTurn(...record) },
  generation,
  (event) => runs.event(event),
);
const questions = new Questions(shards, log);
const runs = new Runs((session) => shards.unsubscribe(session), questions);

const system = new ActorSystem({
  onEvent(event) {
    const { type, address } = event;
    const error = 'error' in event ? event.error : undefined;
    log.warn({ channel: address.key, error }, `actor: ${formatAddress(address)} ${type}`);
    if (type !== 'stopped') return;
    const seconds = Math.ceil(event.retryAfterMs / 1_000);
    accounts.get(address.key)?.become('stopped', `it crashed too often and is started again in ${seconds} s: ${error}`);
  },
});
const channel = system.register(
  channelKind({
    account: (key) => accounts.get(key) as Account,
    store,
    shards,
    runs,
    questions,
    place: createPlace(config),
    pairing: new Pairing({ table: store.pairing, now: Date.now }),
    pairingRequested: (request) => void main.pairingRequested(pairingInfo(request)),
    newId,
    arrive: (key, arrival): Promise<unknown> => channel(key).tell(arrival),
    takesMore: () => takesMore,
    qr: ({ settings }, code) => void main.qr({ channel: settings.platform, account: settings.account }, code),
    folder: ({ settings: { platform, account } }) => join(config.home, 'channels', platform, account),
    log,
  }),
);

const link = new Link(linkEnd, (reader) => {
  while (reader.next()) handle(reader);
});

function handle({ kind, key, number, payload }: RingReader): void {
  switch (kind) {
    case CHANNEL_RECORD.frame:
      shards.receive(Buffer.from(payload));
      return;
    case CHANNEL_RECORD.outbox: {
      const record = JSON.parse(payload.toString()) as OutboxKey;
      if (accounts.get(key)?.removed === false)
        void channel(key).control({ type: 'outbox', key: record }).catch(ignore);
      return;
    }
    case CHANNEL_RECORD.webhook: {
      const { headers, ...rest } = packr.unpack(payload) as Omit<WebhookRequest, 'headers'> & {
        headers: [string, string][];
      };
      // What msgpackr unpacks is a view of the ring, which is written over.
      const request = { ...rest, headers: new Map(headers), body: Buffer.from(rest.body) };
      void webhook(key, request).then((response) =>
        link.send(CHANNEL_RECORD.webhookAnswer, number, '', packr.pack(response)),
      );
    }
  }
}

/** A crash or restart of the account comes first; then it finds by itself what it was to be told. */
function ignore(): void {}

async function webhook(key: string, request: WebhookRequest): Promise<WebhookResponse> {
  try {
    return (await channel(key).control({ type: 'webhook', request })) as WebhookResponse;
  } catch (error) {
    log.error({ error, channel: key }, 'a webhook failed');
    return { status: 500 };
  }
}

const api: ChannelsControl = {
  list() {
    const all = [...accounts.values()].filter(({ removed }) => !removed);
    return {
      channels: all.map((account) => account.status()),
      undelivered: all.flatMap(({ key }) => store.outbox.undelivered(key, UNDELIVERED_SHOWN)),
    };
  },
  restart: (name) =>
    answered(async () => {
      const account = accountOf(name);
      const address = { kind: 'channel', key: account.key };
      // One that crashed too often is there again at once.
      if (!system.resume(address)) await channel(account.key).control({ type: 'restart' });
      return account.status();
    }),
  async put(settings) {
    const key = channelKey(settings.platform, settings.account);
    const account = accounts.get(key) ?? newAccount(settings);
    const isNew = !accounts.has(key);
    knowSecrets(settings.platform, settings.secrets ?? []);
    account.settings = settings;
    account.removed = false;
    accounts.set(key, account);
    if (!opened) return; // it is started with the others
    if (!isNew && system.resume({ kind: 'channel', key })) return;
    await channel(key).control({ type: isNew ? 'start' : 'restart' });
  },
  async remove({ channel: platform, account: name }) {
    const account = accounts.get(channelKey(platform, name));
    if (account === undefined || account.removed) return;
    account.removed = true;
    if (opened) await channel(account.key).control({ type: 'stop' });
  },
  send: (to, text, idempotencyKey) =>
    answered(async () => {
      const { platform, account: named, chat: id, thread } = parseTarget(to);
      const account = accountOf({ channel: platform, account: named ?? onlyAccount(platform) });
      const chat = { id, type: 'dm' as const, ...(thread === undefined ? {} : { thread }) };
      const record = { chat, text, createdAt: Date.now(), sent: [] };
      const answer = await channel(account.key).control({ type: 'send', id: newId(), record, idempotencyKey });
      const where = { channel: platform, account: account.settings.account, chat: laneOf(chat) };
      return { ...where, ...sentAs(answer) };
    }),
  stopIntake() {
    takesMore = false;
    for (const key of accounts.keys()) void channel(key).control({ type: 'flush' }).catch(ignore);
  },
  async drain(timeoutMs) {
    takesMore = false;
    // Those that were never to connect are not made for this.
    const all = opened ? [...accounts.keys()].map((key) => channel(key)) : [];
    const idle = Promise.all(all.map((ref) => ref.control({ type: 'idle' }).catch(ignore)));
    await Promise.race([idle, new Promise((resolve) => setTimeout(resolve, timeoutMs))]);
    await Promise.all(all.map((ref) => ref.control({ type: 'stop' }).catch(ignore)));
    await store.close();
  },
};
comlink.expose(api, nodeEndpoint(control));

const beats = new Int32Array(heartbeat);
setInterval(() => Atomics.add(beats, 0, 1), CHANNELS_HEARTBEAT_MS);
for (const account of enabled) if (account.module === undefined) void import(adapterUrl(account)).catch(ignore);
await main.ready();
opened = true;
for (const { key, removed } of accounts.values()) {
  if (!removed) void channel(key).control({ type: 'start' }).catch(ignore);
}

function newAccount(settings: EnabledAccount): Account {
  knowSecrets(settings.platform, settings.secrets ?? []);
  return new Account(settings, (status) => void main.update(status));
}

/** Throws `not_found`. */
function accountOf({ channel: platform, account }: AccountName): Account {
  const found = accounts.get(channelKey(platform, account));
  if (found?.removed === false) return found;
  throw new DhaavakError('not_found', `no account ${platform}/${account} is configured and on`, {
    param: 'data.channel',
  });
}

/** The account that is meant where none is named. */
function onlyAccount(platform: string): string {
  const all = [...accounts.values()].filter(({ settings, removed }) => !removed && settings.platform === platform);
  return all.length === 1 ? (all[0] as Account).settings.account : DEFAULT_ACCOUNT;
}

/** Throws what went wrong. */
function sentAs(answer: ChannelAnswer): { messages: string[]; duplicate?: true } {
  if (answer === undefined) return { messages: [], duplicate: true };
  const outcome = answer as Outcome;
  if (outcome.status === 'sent') return { messages: outcome.messages };
  const what = outcome.status === 'failed' ? 'it was not sent' : 'it may have been sent, or not';
  throw new DhaavakError('delivery_failed', `${what}: ${outcome.reason}`);
}

async function answered<T>(work: () => Promise<T>): Promise<Answered<T>> {
  try {
    return { ok: await work() };
  } catch (error) {
    if (!(error instanceof DhaavakError)) log.error({ error }, 'a call failed');
    return { error: toWireError(error) };
  }
}
