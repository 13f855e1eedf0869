/**
 * What comes, between baileys and the account. Baileys tells WhatsApp that a message arrived as soon as it is decrypted, and
 * with that the message is gone from WhatsApp; only then does it tell us. A crash in between would lose it. So we are not
 * told by baileys' event but stand in its decryption:
 *
 *   stanza → decrypt, and roll back → events.receive → decrypt again, and keep → receipt → `messages.upsert` → read receipt
 *            (a first look)            (on the disk)   (the key is used up)
 *
 * When it could not be kept, nothing happened: the key is not used, there is no receipt, the connection is ended, and WhatsApp
 * delivers the message again on the next. After a crash anywhere it comes again too, and has the same `update`.
 */
import type { BinaryNode, SignalAuthState, SocketConfig, WAMessage, WAMessageKey } from '@whiskeysockets/baileys';
import type { Logger } from 'pino';
import type { InboundMessage } from '../adapter.ts';
import { Reconnect } from './failure.ts';
import { bare } from './jid.ts';
import { type Baileys, ROLL_BACK, type Socket } from './library.ts';
import { type Letter, normalize, type Surroundings } from './normalize.ts';

/** Most messages that wait to be decrypted. Above it the connection is ended: WhatsApp keeps them for the next. */
const WAITING_MAX = 1_000;
/** Most messages of which baileys has not said that they are done. */
const UNREAD_MAX = 1_000;

export interface IntakeSetup {
  readonly baileys: Baileys;
  readonly log: Logger;
  readonly surroundings: Surroundings;
  /** Resolves when the message is on the disk. */
  receive(message: InboundMessage, key: WAMessageKey): Promise<void>;
  /** Ends the connection, to begin another. */
  reconnect(reason: Reconnect): void;
}

/** Of one connection. */
export class Intake {
  readonly #setup: IntakeSetup;
  /** The stanza a ciphertext came in, which baileys does not hand on to the decryption. */
  readonly #stanzas = new WeakMap<Uint8Array, BinaryNode>();
  readonly #unread = new Map<string, WAMessageKey>();
  #last = Promise.resolve();
  #waiting = 0;
  #over = false;
  #addresses: () => { id: string; lid: string } = () => ({ id: '', lid: '' });

  constructor(setup: IntakeSetup) {
    this.#setup = setup;
  }

  /** Baileys' Signal protocol, with us in its decryption. */
  readonly makeRepository: SocketConfig['makeSignalRepository'] = (auth, logger, phoneToLid) => {
    const repository = this.#setup.baileys.DEFAULT_CONNECTION_CONFIG.makeSignalRepository(auth, logger, phoneToLid);
    const { decryptMessage, decryptGroupMessage } = repository;
    repository.decryptMessage = (options) =>
      this.#decrypt(auth, options.jid, options.ciphertext, () => decryptMessage(options));
    repository.decryptGroupMessage = (options) =>
      this.#decrypt(auth, options.group, options.msg, () => decryptGroupMessage(options));
    return repository;
  };

  attach(socket: Socket): void {
    this.#addresses = () => {
      const { id, lid = '' } = socket.user!;
      return { id, lid };
    };
    // One after another: baileys looks up addresses before it takes its lock, and a second message may overtake the first.
    const handlers = socket.ws.listeners('CB:message');
    socket.ws.removeAllListeners('CB:message');
    socket.ws.on('CB:message', (stanza: BinaryNode) => this.#enqueue(socket, stanza, handlers));
    socket.ev.on('messages.upsert', ({ messages, requestId }) => {
      this.#markRead(socket, messages);
      if (requestId !== undefined) for (const message of messages) void this.#late(message);
    });
  }

  /** From now on nothing is received. */
  end(): void {
    this.#over = true;
  }

  #enqueue(socket: Socket, stanza: BinaryNode, handlers: readonly unknown[]): void {
    for (const { content } of Array.isArray(stanza.content) ? stanza.content : []) {
      if (content instanceof Uint8Array) this.#stanzas.set(content, stanza);
    }
    this.#waiting += 1;
    if (this.#waiting > WAITING_MAX) this.#fail(new Reconnect(`more than ${WAITING_MAX} messages wait`));
    this.#last = this.#last
      .then(async () => {
        for (const handle of handlers) {
          if (!this.#over && socket.ws.isOpen) await (handle as (stanza: BinaryNode) => Promise<void>)(stanza);
        }
      })
      .catch((error: unknown) => this.#setup.log.warn({ error }, 'a message could not be handled'))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  async #decrypt(
    { keys }: SignalAuthState,
    lock: string,
    ciphertext: Uint8Array,
    decrypt: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const stanza = this.#stanzas.get(ciphertext);
    if (stanza === undefined || !('transaction' in keys)) return decrypt();
    let plaintext: Uint8Array | undefined;
    await keys
      .transaction(async () => {
        plaintext = await decrypt();
        throw ROLL_BACK;
      }, lock)
      .catch((error: unknown) => {
        if (error !== ROLL_BACK) throw error;
      });
    const letter = this.#letter(stanza, plaintext!);
    // Not within the transaction: it would swallow what whoever receives the message sends in turn.
    if (letter) await this.#keep(letter);
    return decrypt();
  }

  #letter(stanza: BinaryNode, plaintext: Uint8Array): Letter | undefined {
    const { baileys } = this.#setup;
    const { category, t, notify } = stanza.attrs;
    if (category === 'peer') return undefined;
    const { id, lid } = this.#addresses();
    const { key } = baileys.decodeMessageNode(stanza, id, lid).fullMessage;
    const message = baileys.proto.Message.decode(baileys.unpadRandomMax16(plaintext));
    key.remoteJid = bare(key.remoteJid!);
    if (key.participant) key.participant = bare(key.participant);
    return { key, content: message.deviceSentMessage?.message ?? message, timestamp: Number(t), name: notify };
  }

  /** Throws when it could not be kept. */
  async #keep(letter: Letter): Promise<void> {
    const { baileys, log, surroundings } = this.#setup;
    const message = await normalize(baileys, letter, surroundings).catch((error: unknown) => {
      log.warn({ error }, 'a message could not be understood, and is left out');
      return undefined;
    });
    if (message === undefined) return;
    if (this.#over) throw new Error('the connection is over');
    try {
      await this.#setup.receive(message, letter.key);
    } catch (error) {
      this.#fail(new Reconnect(`a message could not be kept: ${(error as Error).message}`));
      throw error;
    }
    this.#unread.set(message.message, letter.key);
    for (const oldest of this.#unread.keys()) {
      if (this.#unread.size <= UNREAD_MAX) break;
      this.#unread.delete(oldest);
    }
  }

  #fail(reason: Reconnect): void {
    this.#over = true;
    this.#setup.reconnect(reason);
  }

  #markRead(socket: Socket, messages: readonly WAMessage[]): void {
    const keys = messages.flatMap(({ key }) => {
      const read = this.#unread.get(key.id!);
      this.#unread.delete(key.id!);
      return read ? [read] : [];
    });
    if (keys.length === 0) return;
    socket.readMessages(keys).catch((error: unknown) => this.#setup.log.debug({ error }, 'no read receipt'));
  }

  /**
   * A message this device could not read, which baileys asked the owner's phone for. It comes inside of another, and there
   * is nothing left to delay: it is lost when it can't be kept now.
   */
  async #late({ key, message, messageTimestamp, pushName }: WAMessage): Promise<void> {
    if (!message || this.#over) return;
    const timestamp = this.#setup.baileys.toNumber(messageTimestamp);
    const letter: Letter = { key, content: message, timestamp, name: pushName ?? undefined };
    await this.#keep(letter).catch((error: unknown) =>
      this.#setup.log.error({ error, message: key.id }, 'a message that the phone sent again is lost'),
    );
  }
}
