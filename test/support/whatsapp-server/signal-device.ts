/**
 * The end-to-end encryption of one device that is not the adapter's: a contact's phone, or the owner's. It is the Signal
 * protocol of baileys and libsignal with a store in memory.
 */
import {
  addTransactionCapability,
  type BinaryNode,
  Curve,
  DEFAULT_CONNECTION_CONFIG,
  encodeBigEndian,
  encodeWAMessage,
  initAuthCreds,
  KEY_BUNDLE_TYPE,
  parseAndInjectE2ESessions,
  proto,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SocketConfig,
  unpadRandomMax16,
  xmppPreKey,
  xmppSignedPreKey,
} from '@whiskeysockets/baileys';
import { node } from './nodes.ts';

export interface Encrypted {
  readonly type: string;
  readonly ciphertext: Uint8Array;
}

export class SignalDevice {
  readonly creds = initAuthCreds();
  readonly #keys = addTransactionCapability(memoryKeys(), silent, { maxCommitRetries: 1, delayBetweenTriesMs: 1 });
  readonly #repository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository(
    { creds: this.creds, keys: this.#keys },
    silent,
    async () => undefined,
  );

  /** What another device needs to write to this one first, with a one-time key. */
  async bundle(jid: string): Promise<BinaryNode> {
    const id = this.creds.nextPreKeyId++;
    const preKey = Curve.generateKeyPair();
    await this.#keys.set({ 'pre-key': { [id]: preKey } });
    return node('user', { jid }, [
      node('registration', {}, encodeBigEndian(this.creds.registrationId)),
      node('type', {}, KEY_BUNDLE_TYPE),
      node('identity', {}, this.creds.signedIdentityKey.public),
      xmppSignedPreKey(this.creds.signedPreKey),
      xmppPreKey(preKey, id),
    ]);
  }

  async hasSession(jid: string): Promise<boolean> {
    return (await this.#repository.validateSession(jid)).exists;
  }

  /** Begins a new session with a device, whether there was one or not. */
  async establish(bundle: BinaryNode): Promise<void> {
    await parseAndInjectE2ESessions(node('iq', {}, [node('list', {}, [bundle])]), this.#repository);
  }

  encrypt(jid: string, message: proto.IMessage): Promise<Encrypted> {
    return this.#repository.encryptMessage({ jid, data: encodeWAMessage(message) });
  }

  async decrypt(jid: string, type: string, ciphertext: Uint8Array): Promise<proto.Message> {
    if (type !== 'pkmsg' && type !== 'msg') throw new Error(`cannot decrypt ${type}`);
    return decode(await this.#repository.decryptMessage({ jid, type, ciphertext }));
  }

  /** For everybody in a group, with what they need to read it. */
  async encryptForGroup(group: string, me: string, message: proto.IMessage) {
    const data = encodeWAMessage(message);
    const { ciphertext, senderKeyDistributionMessage } = await this.#repository.encryptGroupMessage({
      group,
      meId: me,
      data,
    });
    const key: proto.IMessage = {
      senderKeyDistributionMessage: {
        groupId: group,
        axolotlSenderKeyDistributionMessage: senderKeyDistributionMessage,
      },
    };
    return { ciphertext, key };
  }

  async takeGroupKey(author: string, item: proto.Message.ISenderKeyDistributionMessage): Promise<void> {
    await this.#repository.processSenderKeyDistributionMessage({ authorJid: author, item });
  }

  async decryptFromGroup(group: string, author: string, ciphertext: Uint8Array): Promise<proto.Message> {
    return decode(await this.#repository.decryptGroupMessage({ group, authorJid: author, msg: ciphertext }));
  }
}

function decode(padded: Uint8Array): proto.Message {
  return proto.Message.decode(unpadRandomMax16(padded));
}

function memoryKeys() {
  const kept = new Map<string, unknown>();
  return {
    async get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]) {
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const id of ids) {
        const value = kept.get(`${type}/${id}`);
        if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
      }
      return found;
    },
    async set(data: SignalDataSet) {
      for (const [type, entries] of Object.entries(data)) {
        for (const [id, value] of Object.entries(entries)) {
          if (value === null) kept.delete(`${type}/${id}`);
          else kept.set(`${type}/${id}`, value);
        }
      }
    },
  };
}

const nothing = (): void => undefined;
const silent: SocketConfig['logger'] = {
  level: 'silent',
  child: () => silent,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};
