/** What WhatsApp brings to the conformance suite, and what its own cases need besides. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { proto } from '@whiskeysockets/baileys';
import { type Logger, pino } from 'pino';
import type { Adapter, AttachmentKind, Chat, Sender } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/whatsapp/adapter.ts';
import { TIMINGS, type Timings } from '../../src/channels/whatsapp/connect.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { appearance } from '../support/whatsapp-server/appearance.ts';
import { children } from '../support/whatsapp-server/nodes.ts';
import { type Companion, fileOf, type Group, type Person, type Seen } from '../support/whatsapp-server/person.ts';
import { type MessageFault, WhatsAppServer } from '../support/whatsapp-server/server.ts';
import {
  type AdapterFixture,
  BOT,
  type Lacks,
  type Posted,
  type PostedFile,
  type PostOptions,
} from './adapter-fixture.ts';
import { Recorder } from './recorder.ts';

export const LACKS: Lacks = {
  threads: 'its groups have no threads',
  independence: 'a device reads one message after another',
  'other-bots': 'a program looks like a person',
  'formatting-fault': 'the server cannot read what is sent',
  'file-names': 'pictures and films have none',
  buttons: 'linked devices have none',
  'press-answer': 'linked devices have no buttons',
  'fault:rate_limited': 'it does not say for how long; see whatsapp.test.ts',
  'fault:gone': 'it takes what is for people who left; for groups see whatsapp.test.ts',
};

export const ANNA = '4915551111111';
const BEN = '4915552222222';

/** An account that is linked, to begin with: its credentials, and what the server knows of it. */
export interface Linked {
  readonly credentials: Buffer;
  readonly companion: Companion;
  readonly secrets: readonly string[];
}

let linked: Promise<[Linked, Linked]> | undefined;

/** Two accounts, linked through their QR codes once for all cases. */
export function linkedAccounts(): Promise<[Linked, Linked]> {
  linked ??= Promise.all([link(), link()]);
  return linked;
}

async function link(): Promise<Linked> {
  const server = await WhatsAppServer.start();
  const folder = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
  const adapter = adapterFor(server, folder, pino({ level: 'silent' }));
  const account = new Recorder();
  account.qr = (code) => {
    if (code !== undefined) server.scan(code);
  };
  await adapter.start(account);
  await account.reaches('ready');
  await adapter.stop();
  const path = join(folder, 'credentials.db');
  const [companion] = server.snapshot();
  const account_ = { credentials: await readFile(path), companion: companion!, secrets: secretsIn(path) };
  await server.close();
  await rm(folder, { recursive: true });
  return account_;
}

function secretsIn(path: string): string[] {
  const db = new DatabaseSync(path);
  const { value } = db.prepare("SELECT value FROM keys WHERE type = 'creds'").get()!;
  db.close();
  const { noiseKey, signedIdentityKey, advSecretKey } = JSON.parse(String(value));
  const keys = [noiseKey.private.data, signedIdentityKey.private.data, advSecretKey] as string[];
  return keys.flatMap((key) => [key, Buffer.from(key, 'base64').toString('hex')]);
}

export function adapterFor(
  server: WhatsAppServer,
  folder: string,
  log: Logger,
  timings: Partial<Timings> = {},
): Adapter {
  const { main } = channelsSchema.parse({ whatsapp: { main: { serverUrl: server.url } } }).whatsapp;
  const context = { account: 'main', folder, log, signal: new AbortController().signal };
  return createAdapter(main!, context, { ...TIMINGS, ...timings });
}

export class WhatsAppFixture implements AdapterFixture {
  readonly adapter: Adapter;
  readonly server: WhatsAppServer;
  readonly secrets: readonly string[];
  readonly anna: Person;
  readonly friends: Group;
  readonly device: string;
  readonly folder: string;
  readonly #log: Logger;
  readonly #root: string;
  readonly #elsewhere: Group;

  private constructor(
    server: WhatsAppServer,
    root: string,
    log: Logger,
    [own, stranger]: [Linked, Linked],
    timings: Partial<Timings>,
  ) {
    this.server = server;
    this.#root = root;
    this.folder = join(root, 'main');
    this.#log = log;
    this.secrets = [...own.secrets, ...stranger.secrets];
    this.device = own.companion.jid;
    this.anna = server.person(ANNA, 'Anna');
    this.friends = server.group('Friends', [this.anna, server.person(BEN, 'Ben')]);
    this.#elsewhere = server.group('Family', [this.anna], 'pn');
    this.adapter = adapterFor(server, this.folder, log, timings);
  }

  static async make(log: Logger, timings: Partial<Timings> = {}): Promise<WhatsAppFixture> {
    const accounts = await linkedAccounts();
    const root = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
    const server = await WhatsAppServer.start([accounts[0].companion]);
    const fixture = new WhatsAppFixture(server, root, log, accounts, timings);
    await putCredentials(fixture.folder, accounts[0]);
    await putCredentials(join(root, 'stranger'), accounts[1]);
    return fixture;
  }

  wrongAdapter(): Adapter {
    return adapterFor(this.server, join(this.#root, 'stranger'), this.#log);
  }

  refusals(): number {
    return this.server.refused;
  }

  async dm(text: string, options: PostOptions = {}): Promise<Posted> {
    const person = options.elsewhere ? this.server.person(BEN) : this.#person(options.sender);
    const id = await person.write(this.server.owner, await this.#message(text, options));
    return { ...this.#posted(id, person), update: `dm/${id}`, chat: { id: person.phone, type: 'dm' } };
  }

  async group(text: string, options: PostOptions = {}): Promise<Posted> {
    const person = this.#person(options.sender);
    const group = options.elsewhere ? this.#elsewhere : this.friends;
    const id = await person.writeToGroup(group, await this.#message(text, options, group));
    return { ...this.#posted(id, person), update: `${group.jid}/${id}`, chat: { id: group.jid, type: 'group' } };
  }

  command(where: 'dm' | 'group', name: string, args: string): Promise<Posted> {
    const text = `/${name} ${args}`.trim();
    return where === 'dm' ? this.dm(text) : this.group(`${BOT} ${text}`);
  }

  async echo(text: string): Promise<void> {
    await this.server.owner.write(this.anna, { conversation: text });
  }

  async redeliver({ message }: Posted): Promise<void> {
    this.server.redeliver(message);
  }

  accepted({ message }: Posted): boolean {
    return !this.server.waits(this.device, message);
  }

  fileBytesRead(): number {
    return this.server.media.bytesRead;
  }

  shown() {
    const seen = new Map<string, Seen>();
    for (const person of this.server.everybody()) for (const message of person.seen) seen.set(message.id, message);
    const ids = new Set(this.server.attempts.map(({ id }) => id));
    return [...ids].flatMap((id) => shownOf(seen.get(id)) ?? []);
  }

  attempts(): number {
    return this.server.attempts.length;
  }

  typing(chat: Chat): number {
    const to = chat.type === 'group' ? chat.id : `${chat.id}@s.whatsapp.net`;
    const states = this.server.stanzas.filter(({ tag, attrs }) => tag === 'chatstate' && attrs.to === to);
    return states.filter((state) => children(state, 'composing').length > 0).length;
  }

  fail(fault: Parameters<AdapterFixture['fail']>[0]): void {
    const faults: Partial<Record<typeof fault, MessageFault>> = {
      temporary: { error: '503' },
      rejected: { error: '479' },
      unauthorized: 'unlink',
      unknown: 'cut',
      silence: 'silence',
    };
    this.server.faults.push(faults[fault]!);
  }

  async press(): Promise<string> {
    throw new Error('WhatsApp has no buttons');
  }

  drop(): void {
    this.server.drop();
  }

  async restore(): Promise<void> {
    this.server.restore();
  }

  connections(): number {
    return this.server.links.size;
  }

  async close(): Promise<void> {
    await this.server.close();
    await rm(this.#root, { recursive: true });
  }

  #person(sender: Sender | undefined): Person {
    return sender ? this.server.person(sender.id, sender.name) : this.anna;
  }

  #posted(id: string, { phone, name, lidJid }: Person) {
    const timestamp = Number(this.server.timeOf(id)) * 1_000;
    return { message: id, timestamp, sender: { id: phone, name, username: lidJid, bot: false } };
  }

  async #message(text: string, options: PostOptions, group?: Group): Promise<proto.IMessage> {
    const { owner } = this.server;
    const me = group?.addressing === 'pn' ? owner : { phone: owner.lid, jid: owner.lidJid };
    const words = text.replaceAll(BOT, `@${me.phone}`);
    const contextInfo: proto.IContextInfo = words === text ? {} : { mentionedJid: [me.jid] };
    if (options.repliesTo !== undefined) {
      const ours = this.server.attempts.some(({ id }) => id === options.repliesTo);
      contextInfo.stanzaId = options.repliesTo;
      contextInfo.participant = ours ? me.jid : this.anna.address(group?.addressing);
      contextInfo.quotedMessage = { conversation: 'what it said' };
    }
    const [file] = options.attachments ?? [];
    if (file) return this.#withFile(file, words, contextInfo);
    if (Object.keys(contextInfo).length === 0) return { conversation: words };
    return { extendedTextMessage: { text: words, contextInfo } };
  }

  /** As a phone sends it; sound with words can only go as a document. */
  async #withFile(file: PostedFile, caption: string, contextInfo: proto.IContextInfo): Promise<proto.IMessage> {
    const asDocument = file.kind === 'file' || (file.kind === 'audio' && caption !== '');
    const reference = await this.server.media.upload(file.data, asDocument ? 'document' : mediaTypeOf(file.kind));
    const fileLength = file.declaredBytes ?? reference.fileLength;
    const media = { ...reference, mimetype: file.mediaType, fileLength, contextInfo };
    if (asDocument) {
      const documentMessage = { ...media, fileName: file.name, caption };
      return caption === '' ? { documentMessage } : { documentWithCaptionMessage: { message: { documentMessage } } };
    }
    if (file.kind === 'image') return { imageMessage: { ...media, caption } };
    if (file.kind === 'video') return { videoMessage: { ...media, caption } };
    return { audioMessage: media };
  }
}

async function putCredentials(folder: string, { credentials }: Linked): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'credentials.db'), credentials, { mode: 0o600 });
}

function mediaTypeOf(kind: AttachmentKind) {
  return kind === 'file' ? 'document' : kind;
}

function shownOf(seen: Seen | undefined) {
  if (!seen) return undefined;
  const { id, message } = seen;
  const chat: Chat = { id: seen.chat, type: seen.chat.endsWith('@g.us') ? 'group' : 'dm' };
  const [, file] = fileOf(message) ?? [];
  const caption = appearance((file && 'caption' in file && file.caption) || '').text;
  const { text, formatting } = appearance(message.extendedTextMessage?.text ?? message.conversation ?? '');
  const context = message.extendedTextMessage?.contextInfo ?? file?.contextInfo;
  const { mimetype } = file ?? {};
  return {
    message: id,
    chat,
    text,
    formatting,
    buttons: [],
    ...(file && { file: { kind: kindOf(mimetype!), name: nameOf(file), data: seen.data!, caption } }),
    ...(context?.stanzaId && { replyTo: context.stanzaId }),
  };
}

function kindOf(mimetype: string): AttachmentKind {
  const [kind] = mimetype.split('/');
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file';
}

/** Only documents have a name. */
function nameOf(file: { fileName?: string | null } | object): string {
  return ('fileName' in file && file.fileName) || '';
}
