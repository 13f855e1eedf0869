/**
 * A WhatsApp server for tests: it speaks the protocol of WhatsApp Web to the real baileys. The Noise handshake with a chain
 * of certificates (`noise.ts`, `certificate.ts`), binary XML (`link.ts`), linking a device by QR code (`linking.ts`,
 * `owner-phone.ts`), login, queries (`queries.ts`), messages end-to-end encrypted by the Signal protocol to and from people
 * with phones (`person.ts`, `signal-device.ts`), files (`media-host.ts`), receipts, what came while a device was away
 * (`mail.ts`), and the ways in which WhatsApp ends a connection. For encoding and cryptography it uses baileys' own
 * functions: there is no other library of this protocol for Node.
 *
 * It differs from WhatsApp in this: this process takes its certificate for WhatsApp's, nothing is stored, and everybody but
 * the owner of the account has one device.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type BinaryNode, Curve, jidDecode, KEY_BUNDLE_TYPE, type proto } from '@whiskeysockets/baileys';
import { WebSocketServer } from 'ws';
import { certificateChain, trustTestRoot } from './certificate.ts';
import { Link } from './link.ts';
import { Linking } from './linking.ts';
import { Mail } from './mail.ts';
import { MediaHost } from './media-host.ts';
import { children, find, node, SERVER, seconds } from './nodes.ts';
import { type Companion, type Group, Person, type Post } from './person.ts';
import { answer, type Known } from './queries.ts';

/** A message a linked device sent. */
export interface Attempt {
  readonly id: string;
  readonly device: string;
  readonly stanza: BinaryNode;
}

/** What happens to the next message of a device: an error code in its acknowledgement, or something worse. */
export type MessageFault = { readonly error: string } | 'cut' | 'silence' | 'unlink';

const OWNER = { phone: '4915550000000', name: 'Bot' };

export class WhatsAppServer implements Post, Known {
  readonly media: MediaHost;
  readonly owner: Person;
  readonly links = new Set<Link>();
  readonly attempts: Attempt[] = [];
  /** Everything linked devices sent that is neither query nor message. */
  readonly stanzas: BinaryNode[] = [];
  readonly queries: BinaryNode[] = [];
  logins = 0;
  /** Logins that were refused. */
  refused = 0;
  /** The certificate is signed by somebody else: a server that is not WhatsApp's. */
  forged = false;
  /** False: pings are answered, but messages are kept back: connections that are dead inwards. */
  pushes = true;
  /** The status with which new WebSockets are refused, as by a proxy. */
  upgradeStatus: number | undefined;
  /** Attributes of the `<failure>` with which every login is answered. */
  refusal: BinaryNode['attrs'] | undefined;
  readonly faults: MessageFault[] = [];
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  readonly #staticKey = Curve.generateKeyPair();
  readonly #people = new Map<string, Person>();
  readonly #groups = new Map<string, Group>();
  readonly #companions = new Map<string, Companion>();
  readonly #mail = new Mail();
  readonly #linking: Linking;
  #reachable = true;
  #devices = 0;

  private constructor(http: Server, media: MediaHost) {
    this.#http = http;
    this.media = media;
    this.owner = this.person(OWNER.phone, OWNER.name);
    this.#linking = new Linking(this.owner);
    http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      if (!this.#reachable) socket.destroy();
    });
    const verifyClient = (_: unknown, done: (taken: boolean, status?: number) => void): void =>
      done(this.upgradeStatus === undefined, this.upgradeStatus);
    new WebSocketServer({ server: http, verifyClient }).on('connection', (socket) => {
      const signer = this.forged ? Curve.generateKeyPair() : undefined;
      const link = new Link(socket, this.#staticKey, certificateChain(this.#staticKey, signer), {
        entered: (entered, payload) => this.#entered(entered, payload),
        received: (from, stanza) => this.#received(from, stanza),
        closed: (closed) => {
          this.links.delete(closed);
          this.#linking.forget(closed);
        },
      });
      this.links.add(link);
    });
  }

  /** `companions`: devices that are linked already, as `snapshot` gave them. */
  static async start(companions: readonly Companion[] = []): Promise<WhatsAppServer> {
    trustTestRoot();
    const http = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const server = new WhatsAppServer(http, await MediaHost.start());
    for (const companion of companions) server.#link(companion);
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/ws/chat`;
  }

  async close(): Promise<void> {
    for (const link of this.links) link.cut();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#http.close(resolve));
    await this.media.close();
  }

  /** Cuts every connection and refuses new ones until `restore`. */
  drop(): void {
    this.#reachable = false;
    for (const link of this.links) link.cut();
  }

  restore(): void {
    this.#reachable = true;
  }

  /** Ends every connection with a reason, as WhatsApp does. */
  end(reason: BinaryNode): void {
    for (const link of this.links) {
      link.send(reason);
      link.close();
    }
  }

  /** Somebody with this number, made when there is nobody yet. */
  person(phone: string, name = `Person ${phone}`): Person {
    const known = this.#people.get(phone);
    if (known) return known;
    const person = new Person(phone, name, this);
    this.#people.set(phone, person);
    this.#people.set(person.lid, person);
    return person;
  }

  /** Everybody with a phone. */
  everybody(): Set<Person> {
    return new Set(this.#people.values());
  }

  group(subject: string, members: Person[], addressing: Group['addressing'] = 'lid'): Group {
    const jid = `12036300000000000${this.#groups.size}@g.us`;
    const group = { jid, subject, members: [this.owner, ...members], addressing };
    this.#groups.set(jid, group);
    return group;
  }

  /** The owner scans the code that is shown, on the phone. */
  scan(code: string): void {
    this.#devices += 1;
    this.#linking.scan(code, this.#devices);
  }

  /** The owner removes the device on the phone. */
  unlink(device: string): void {
    this.#companions.delete(device);
    this.end(node('stream:error', { code: '401' }, [node('conflict', { type: 'device_removed' })]));
  }

  /** All linked devices, for another server. */
  snapshot(): Companion[] {
    return [...this.#companions.values()].map((companion) => ({ ...companion, preKeys: [...companion.preKeys] }));
  }

  companionsOf(person: Person): Companion[] {
    return [...this.#companions.values()].filter(({ phone }) => phone === person.phone);
  }

  personAt(user: string): Person | undefined {
    return this.#people.get(user);
  }

  groupAt(jid: string): Group | undefined {
    return this.#groups.get(jid);
  }

  preKeysOf(device: string): number {
    return this.#companions.get(device)!.preKeys.length;
  }

  register(device: string, keys: BinaryNode[]): void {
    this.#companions.get(device)!.preKeys.push(...keys);
  }

  async bundle(jid: string): Promise<BinaryNode | undefined> {
    const { user, device } = jidDecode(jid)!;
    const person = this.#people.get(user);
    if (!device) return person?.device.bundle(jid);
    const companion = this.#companions.get(`${person?.phone}:${device}@${SERVER}`);
    if (!companion) return undefined;
    const { registration, identity, signedPreKey, preKeys } = companion;
    const type = node('type', {}, KEY_BUNDLE_TYPE);
    const content = [registration, type, node('identity', {}, identity), signedPreKey, ...preKeys.splice(0, 1)];
    return node('user', { jid }, content);
  }

  deliver(device: string, stanza: BinaryNode): void {
    this.#mail.add(device, stanza);
    if (!this.pushes) return;
    for (const link of this.links) if (link.device === device && link.active) link.send(stanza);
  }

  report(device: string, receipt: BinaryNode): void {
    for (const link of this.links) if (link.device === device) link.send(receipt);
  }

  /** Delivers a message once more, as if the device had not said that it has it. */
  redeliver(id: string): void {
    const { device, stanza } = this.#mail.delivered(id);
    this.deliver(device, stanza);
  }

  /** Whether a message still waits for the device to say that it has it. */
  waits(device: string, id: string): boolean {
    return this.#mail.of(device).some(({ attrs }) => attrs.id === id);
  }

  /** When a message was written, in seconds since the epoch. */
  timeOf(id: string): string {
    return this.#mail.delivered(id).stanza.attrs.t!;
  }

  #link(companion: Companion): void {
    this.#companions.set(companion.jid, { ...companion, preKeys: [...companion.preKeys] });
    this.#devices = Math.max(this.#devices, jidDecode(companion.jid)!.device!);
  }

  #entered(link: Link, payload: proto.ClientPayload): void {
    if (payload.devicePairingData) {
      this.#linking.begin(link, payload.devicePairingData);
      return;
    }
    const companion = this.#companions.get(`${payload.username}:${payload.device}@${SERVER}`);
    if (!companion?.noiseKey.equals(link.clientKey) || this.refusal) {
      this.refused += 1;
      link.send(node('failure', this.refusal ?? { reason: '401' }));
      link.close();
      return;
    }
    this.logins += 1;
    link.device = companion.jid;
    link.send(node('success', { t: seconds(), lid: `${this.owner.lid}:${payload.device}@lid`, status: 'active' }));
  }

  async #received(link: Link, stanza: BinaryNode): Promise<void> {
    const { tag, attrs } = stanza;
    if (tag === 'iq' && attrs.type === 'result') this.#linked(link, stanza);
    else if (tag === 'iq') await this.#asked(link, stanza);
    else if (tag === 'message') await this.#message(link, stanza);
    else {
      this.stanzas.push(stanza);
      if (tag === 'receipt') await this.#receipt(link, stanza);
      else if (tag === 'ack' && attrs.class === 'message') this.#mail.remove(link.device!, [attrs.id!]);
      else if (find(stanza, 'offline_batch')) this.#sendWaiting(link);
    }
  }

  /** It is linked when it proves to be the one that was scanned, and must log in anew. */
  #linked(link: Link, result: BinaryNode): void {
    const companion = this.#linking.finish(link, result);
    if (!companion) return;
    this.#link(companion);
    link.send(node('stream:error', { code: '515' }));
    link.close();
  }

  async #asked(link: Link, query: BinaryNode): Promise<void> {
    this.queries.push(query);
    link.send(await answer(this, link.device!, query));
    if (query.attrs.xmlns !== 'passive') return;
    link.active = true;
    const count = String(this.#mail.of(link.device!).length);
    link.send(node('ib', { from: SERVER }, [node('offline_preview', { count, message: count })]));
  }

  #sendWaiting(link: Link): void {
    const waiting = this.pushes ? this.#mail.of(link.device!) : [];
    for (const [index, stanza] of waiting.entries()) {
      link.send({ ...stanza, attrs: { ...stanza.attrs, offline: String(index) } });
    }
    link.send(node('ib', { from: SERVER }, [node('offline', { count: String(waiting.length) })]));
  }

  async #message(link: Link, stanza: BinaryNode): Promise<void> {
    const { id, to, category } = stanza.attrs;
    const ack = { class: 'message', id: id!, from: to!, t: seconds() };
    // What a device asks the owner's phone is no message anybody sees.
    if (category !== 'peer') {
      this.attempts.push({ id: id!, device: link.device!, stanza });
      const fault = this.faults.shift();
      if (fault === 'cut') link.cut();
      else if (fault === 'unlink') this.unlink(link.device!);
      else if (typeof fault === 'object') link.send(node('ack', { ...ack, error: fault.error }));
      if (fault) return;
    }
    await this.#spread(this.#companions.get(link.device!)!, stanza);
    link.send(node('ack', ack));
  }

  async #spread(author: Companion, stanza: BinaryNode): Promise<void> {
    const group = this.#groups.get(stanza.attrs.to!);
    for (const to of children(find(stanza, 'participants'), 'to')) {
      const { user, device } = jidDecode(to.attrs.jid)!;
      const person = this.#people.get(user);
      if (!person || device) continue;
      const other = person === this.owner ? this.#people.get(jidDecode(stanza.attrs.to)!.user)! : person;
      await person.read(author, group?.jid ?? other.phone, stanza, find(to, 'enc')!);
    }
    const sealed = find(stanza, 'enc');
    if (!sealed) return;
    // Without a group it is for one device, which had asked for it again.
    const readers = group?.members ?? [this.#people.get(jidDecode(stanza.attrs.to)!.user)!];
    for (const reader of readers) {
      if (reader !== this.owner) await reader.read(author, group?.jid ?? reader.phone, stanza, sealed);
    }
  }

  async #receipt(link: Link, receipt: BinaryNode): Promise<void> {
    const { id, type, to, participant } = receipt.attrs;
    if (type === 'retry') {
      const sender = this.#people.get(jidDecode(participant ?? to)!.user);
      await sender?.resend(this.#companions.get(link.device!)!, receipt);
      return;
    }
    const more = children(find(receipt, 'list'), 'item').map(({ attrs }) => attrs.id!);
    if (type !== 'read') this.#mail.remove(link.device!, [id!, ...more]);
    link.send(node('ack', { class: 'receipt', id: id!, from: to!, ...(type ? { type } : {}) }));
  }
}
