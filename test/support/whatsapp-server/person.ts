/** Somebody with WhatsApp on a phone: writes, and sees what is written, as the app shows it. */
import { randomBytes } from 'node:crypto';
import { type BinaryNode, proto } from '@whiskeysockets/baileys';
import type { MediaHost } from './media-host.ts';
import { bytesOf, children, find, node, SERVER, seconds } from './nodes.ts';
import { SignalDevice } from './signal-device.ts';

/** A linked device that is not a phone: what the server knows of it. */
export interface Companion {
  /** `number:device@s.whatsapp.net`. */
  readonly jid: string;
  /** The number of its owner. */
  readonly phone: string;
  readonly noiseKey: Buffer;
  readonly registration: BinaryNode;
  readonly identity: Buffer;
  readonly signedPreKey: BinaryNode;
  /** One-time keys that nobody has used. */
  preKeys: BinaryNode[];
}

export interface Group {
  readonly jid: string;
  subject: string;
  members: Person[];
  /** Whether its members are known by LIDs or by phone numbers. */
  readonly addressing: 'lid' | 'pn';
}

/** A message as it stands in a chat of the app. */
export interface Seen {
  readonly id: string;
  /** The group's JID, or the number of the other one. */
  readonly chat: string;
  /** The last text, after edits. */
  message: proto.IMessage;
  edited: boolean;
  /** What its file holds. */
  readonly data: Buffer | undefined;
}

/** What a person's phone needs of the server. */
export interface Post {
  companionsOf(person: Person): readonly Companion[];
  bundle(jid: string): Promise<BinaryNode | undefined>;
  deliver(device: string, stanza: BinaryNode): void;
  /** Hands a receipt of a person's to a device. */
  report(device: string, receipt: BinaryNode): void;
  readonly media: MediaHost;
}

/** How something is written. */
export interface Writing {
  readonly id?: string;
  /** Seconds since the epoch. */
  readonly at?: string;
}

export class Person {
  readonly phone: string;
  readonly lid: string;
  readonly name: string;
  device = new SignalDevice();
  readonly seen: Seen[] = [];
  /** Whether messages of this person carry the LID as the sender, and the number beside it, or the other way round. */
  addressing: 'lid' | 'pn' = 'pn';
  /** False: the messages do not say the other address. */
  tellsBoth = true;
  /** How many of the next messages arrive damaged. */
  damaged = 0;
  /** False: this phone asks for what it could not read only when `askNow` is called. */
  asksAtOnce = true;
  readonly #questions: (() => Promise<void>)[] = [];
  readonly #post: Post;
  /** What was written, to be encrypted again for whoever could not read it. */
  readonly #written = new Map<string, { message: proto.IMessage; stanza: BinaryNode }>();
  readonly #hasGroupKey = new Set<string>();

  constructor(phone: string, name: string, post: Post) {
    this.phone = phone;
    this.lid = `9${phone.padStart(14, '0')}`;
    this.name = name;
    this.#post = post;
  }

  get jid(): string {
    return `${this.phone}@${SERVER}`;
  }

  get lidJid(): string {
    return `${this.lid}@lid`;
  }

  /** The address others see in this chat. */
  address(addressing = this.addressing): string {
    return addressing === 'lid' ? this.lidJid : this.jid;
  }

  /** Writes to a person. Returns the message's id. */
  async write(to: Person, message: proto.IMessage, writing: Writing = {}): Promise<string> {
    const { id, attrs } = this.#head(writing, 'sender');
    const stanza = node('message', { ...attrs, from: this.address() });
    await this.#toCompanions(this.#post.companionsOf(to), id, message, stanza);
    // Every other device of one's own is sent a copy that says to whom it was.
    if (to !== this) await this.#copy(to, id, message, attrs);
    return id;
  }

  /** Writes to oneself: the chat «Message yourself». */
  async note(message: proto.IMessage, writing: Writing = {}): Promise<string> {
    const { id, attrs } = this.#head(writing, 'sender');
    await this.#copy(this, id, message, attrs);
    return id;
  }

  async #copy(to: Person, id: string, message: proto.IMessage, attrs: BinaryNode['attrs']): Promise<void> {
    const stanza = node('message', { ...attrs, from: this.jid, recipient: to.jid });
    const copy = { deviceSentMessage: { destinationJid: to.jid, message } };
    await this.#toCompanions(this.#post.companionsOf(this), id, copy, stanza);
  }

  async writeToGroup(group: Group, message: proto.IMessage, writing: Writing = {}): Promise<string> {
    const { id, attrs } = this.#head(writing, 'participant', group.addressing);
    const me = this.address(group.addressing);
    const { ciphertext, key } = await this.device.encryptForGroup(group.jid, me, message);
    for (const companion of group.members.flatMap((member) => this.#post.companionsOf(member))) {
      const content: BinaryNode[] = [];
      if (!this.#hasGroupKey.has(group.jid + companion.jid)) {
        content.push(await this.#encrypted(companion, key));
        this.#hasGroupKey.add(group.jid + companion.jid);
      }
      content.push(node('enc', { v: '2', type: 'skmsg' }, ciphertext));
      const head = { ...attrs, from: group.jid, participant: me, addressing_mode: group.addressing };
      this.#deliver(companion, message, node('message', head, content));
    }
    return id;
  }

  /** Sends anything to all devices of a person, with attributes of one's own. */
  async writeRaw(to: Person, message: proto.IMessage, attrs: BinaryNode['attrs']): Promise<string> {
    const head = this.#head({}, 'sender');
    const stanza = node('message', { ...head.attrs, from: this.jid, ...attrs });
    await this.#toCompanions(this.#post.companionsOf(to), head.id, message, stanza);
    return head.id;
  }

  async #toCompanions(
    companions: readonly Companion[],
    id: string,
    message: proto.IMessage,
    stanza: BinaryNode,
  ): Promise<void> {
    for (const companion of companions) {
      const content = [await this.#encrypted(companion, message)];
      this.#deliver(companion, message, node('message', { ...stanza.attrs, id }, content));
    }
  }

  #deliver(companion: Companion, message: proto.IMessage, stanza: BinaryNode): void {
    this.#written.set(stanza.attrs.id!, { message, stanza });
    this.#post.deliver(companion.jid, stanza);
  }

  /** A device could not read a message: it is sent again, in a new session when the device sent its keys. */
  async resend(companion: Companion, receipt: BinaryNode): Promise<void> {
    const written = this.#written.get(receipt.attrs.id!);
    if (!written) return;
    const keys = find(receipt, 'keys');
    if (keys) {
      const registration = find(receipt, 'registration')!;
      const bundle = [registration, ...children(keys).filter(({ tag }) => tag !== 'device-identity')];
      await this.device.establish(node('user', { jid: companion.jid }, bundle));
    }
    const again = await this.#encrypted(companion, written.message, find(receipt, 'retry')!.attrs.count);
    this.#post.deliver(companion.jid, node('message', written.stanza.attrs, [again]));
  }

  async #encrypted(companion: Companion, message: proto.IMessage, count?: string): Promise<BinaryNode> {
    if (!(await this.device.hasSession(companion.jid))) {
      await this.device.establish((await this.#post.bundle(companion.jid))!);
    }
    const { type, ciphertext } = await this.device.encrypt(companion.jid, message);
    if (this.damaged > 0) {
      this.damaged -= 1;
      ciphertext[ciphertext.length - 1]! ^= 1;
    }
    return node('enc', { v: '2', type, ...(count === undefined ? {} : { count }) }, ciphertext);
  }

  #head(writing: Writing, who: 'sender' | 'participant', addressing = this.addressing) {
    // As the app for Android makes them.
    const { id = randomBytes(16).toString('hex').toUpperCase(), at = seconds() } = writing;
    const other = addressing === 'lid' ? { [`${who}_pn`]: this.jid } : { [`${who}_lid`]: this.lidJid };
    return { id, attrs: { id, t: at, type: 'text', notify: this.name, ...(this.tellsBoth ? other : {}) } };
  }

  /** Reads what a linked device of somebody else's, or of this person's account, wrote. */
  async read(author: Companion, chat: string, stanza: BinaryNode, enc: BinaryNode): Promise<void> {
    const { type } = enc.attrs;
    const sealed = bytesOf(enc);
    const message = await (type === 'skmsg'
      ? this.device.decryptFromGroup(chat, author.jid, sealed)
      : this.device.decrypt(author.jid, type!, sealed)
    ).catch(() => undefined);
    if (message === undefined) {
      this.#questions.push(() => this.#askAgain(author, stanza));
      if (this.asksAtOnce) await this.askNow();
      return;
    }
    if (message.senderKeyDistributionMessage) {
      await this.device.takeGroupKey(author.jid, message.senderKeyDistributionMessage);
      return;
    }
    await this.#show(stanza.attrs.id!, chat, message.deviceSentMessage?.message ?? message);
  }

  /** Installs the app anew: the phone has new keys, and none for what was begun before. */
  reinstall(): void {
    this.device = new SignalDevice();
    this.#hasGroupKey.clear();
  }

  /** Asks for all that could not be read. */
  async askNow(): Promise<void> {
    for (const ask of this.#questions.splice(0)) await ask();
  }

  /** Asks for a message that could not be read, with the keys for a new session. */
  async #askAgain(author: Companion, stanza: BinaryNode): Promise<void> {
    const { id } = stanza.attrs;
    const bundle = children(await this.device.bundle(this.jid));
    const content = [
      node('retry', { count: '1', id: id!, t: seconds(), v: '1' }),
      ...bundle.filter(({ tag }) => tag === 'registration'),
      node(
        'keys',
        {},
        bundle.filter(({ tag }) => tag !== 'registration'),
      ),
    ];
    this.#post.report(author.jid, node('receipt', { id: id!, from: this.jid, type: 'retry', t: seconds() }, content));
  }

  /**
   * As the app does: a message whose id the chat has already is not shown again (its table of messages is unique by chat,
   * direction and id), and an edit changes what is there, for a quarter of an hour.
   */
  async #show(id: string, chat: string, message: proto.IMessage): Promise<void> {
    const edit = message.protocolMessage ?? message.editedMessage?.message?.protocolMessage;
    if (edit) {
      const before = this.seen.find((seen) => seen.id === edit.key?.id);
      if (before && edit.type === proto.Message.ProtocolMessage.Type.MESSAGE_EDIT && edit.editedMessage) {
        before.message = edit.editedMessage;
        before.edited = true;
      }
      return;
    }
    if (this.seen.some((seen) => seen.id === id && seen.chat === chat)) return;
    const [kind, file] = fileOf(message) ?? [];
    const data = file && (await this.#post.media.download(file, kind!));
    this.seen.push({ id, chat, message, edited: false, data });
  }
}

/** The file a message brings. */
export function fileOf(message: proto.IMessage) {
  if (message.imageMessage) return ['image', message.imageMessage] as const;
  if (message.videoMessage) return ['video', message.videoMessage] as const;
  if (message.audioMessage) return ['audio', message.audioMessage] as const;
  const document = message.documentMessage ?? message.documentWithCaptionMessage?.message?.documentMessage;
  return document ? (['document', document] as const) : undefined;
}
