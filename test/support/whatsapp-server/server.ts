/**
 * A WhatsApp server for tests: it speaks the protocol of WhatsApp Web to the real baileys. The Noise handshake with a chain
 * of certificates (`noise.ts`, `certificate.ts`), binary XML (`link.ts`), linking a device by QR code (`owner-phone.ts`),
 * login, queries (`queries.ts`), messages end-to-end encrypted by the Signal protocol to and from people with phones
 * (`person.ts`, `signal-device.ts`), files (`media-host.ts`), receipts, what came while a device was away, and the ways in
 * which WhatsApp ends a connection. For encoding and cryptography it uses baileys' own functions: there is no other library
 * of this protocol for Node.
 *
 * It differs from WhatsApp in this: one process and one process's trust (`trustTestRoot`), no stored keys, every person but
 * the owner has one device, and nobody is ever banned.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type BinaryNode, Curve, jidDecode, KEY_BUNDLE_TYPE, type proto } from '@whiskeysockets/baileys';
import { WebSocketServer } from 'ws';
import { certificateChain, trustTestRoot } from './certificate.ts';
import { Link } from './link.ts';
import { MediaHost } from './media-host.ts';
import { bytesOf, children, find, node, SERVER, seconds } from './nodes.ts';
import { isSignedByDevice, readCode, signDevice } from './owner-phone.ts';
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

/** What waits for a device until it says that it has it. */
interface Waiting {
  readonly id: string;
  readonly stanza: BinaryNode;
}

const REFS = 6;
/** With fewer one-time keys left, WhatsApp asks a device for more. */
const OWNER = { phone: '4915550000000', name: 'Bot' };

export class WhatsAppServer implements Post, Known {
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  readonly #staticKey = Curve.generateKeyPair();
  readonly #media: MediaHost;
  readonly #people = new Map<string, Person>();
  readonly #groups = new Map<string, Group>();
  readonly #companions = new Map<string, Companion>();
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #delivered = new Map<string, { companion: Companion; stanza: BinaryNode }>();
  readonly #reachable = { now: true };
  #devices = 0;
  /** A certificate that others signed, for a server that is not WhatsApp's. */
  forged = false;
  /** False: pings are answered, but messages are kept back: a connection that is dead inwards. */
  pushes = true;
  /** Attributes of the `<failure>` with which every login is answered. */
  refusal: BinaryNode['attrs'] | undefined;
  /** Error code of every query in this namespace. */
  readonly queryFaults = new Map<string, number>();
  readonly faults: MessageFault[] = [];
  readonly links = new Set<Link>();
  readonly attempts: Attempt[] = [];
  /** Everything linked devices sent that is neither query nor message. */
  readonly stanzas: BinaryNode[] = [];
  /** Logins that were refused. */
  refused = 0;
  logins = 0;
  readonly owner: Person;

  private constructor(http: Server, media: MediaHost) {
    this.#http = http;
    this.#media = media;
    this.owner = this.person(OWNER.phone, OWNER.name);
    http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      if (!this.#reachable.now) socket.destroy();
    });
    new WebSocketServer({ server: http }).on('connection', (socket) => {
      const signer = this.forged ? Curve.generateKeyPair() : undefined;
      const link = new Link(socket, this.#staticKey, certificateChain(this.#staticKey, signer), {
        entered: (entered, payload) => this.#entered(entered, payload),
        received: (from, stanza) => this.#received(from, stanza),
        closed: (closed) => this.links.delete(closed),
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

  get media(): MediaHost {
    return this.#media;
  }

  get mediaHost(): string {
    return this.#media.hostname;
  }

  get mediaAuth(): string {
    return this.#media.auth;
  }

  async close(): Promise<void> {
    for (const link of this.links) link.cut();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#http.close(resolve));
    await this.#media.close();
  }

  /** Cuts every connection and refuses new ones until `restore`. */
  drop(): void {
    this.#reachable.now = false;
    for (const link of this.links) link.cut();
  }

  restore(): void {
    this.#reachable.now = true;
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

  group(subject: string, members: Person[], addressing: Group['addressing'] = 'lid'): Group {
    const jid = `12036300000000000${this.#groups.size}@g.us`;
    const group = { jid, subject, members: [this.owner, ...members], addressing };
    this.#groups.set(jid, group);
    return group;
  }

  dissolve(group: Group): void {
    this.#groups.delete(group.jid);
  }

  /** All linked devices, for another server. */
  snapshot(): Companion[] {
    return [...this.#companions.values()].map((companion) => ({ ...companion, preKeys: [...companion.preKeys] }));
  }

  /** The owner scans the code that is shown, on the phone. */
  scan(code: string): void {
    const read = readCode(code);
    const link = [...this.links].find(({ refs }) => refs.includes(read.ref));
    if (!link) throw new Error('the code is not good any more');
    this.#devices += 1;
    const jid = `${this.owner.phone}:${this.#devices}@${SERVER}`;
    link.device = jid;
    const identity = signDevice(this.owner, read, this.#devices);
    const content = [
      node('device-identity', {}, identity),
      node('device', { jid, lid: `${this.owner.lid}:${this.#devices}@lid` }),
      node('platform', { name: 'android' }),
    ];
    link.send(
      node('iq', { id: `pair-${jid}`, type: 'set', from: SERVER, t: seconds() }, [node('pair-success', {}, content)]),
    );
    link.refs = [code];
  }

  /** The owner removes the device on the phone. */
  unlink(device: string): void {
    this.#companions.delete(device);
    const ended = node('stream:error', { code: '401' }, [node('conflict', { type: 'device_removed' })]);
    this.end(ended);
  }

  /** Ends every connection with a reason. */
  end(reason: BinaryNode): void {
    for (const link of this.links) {
      link.send(reason);
      link.close();
    }
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
    const key = preKeys.shift();
    return node('user', { jid }, [
      registration,
      node('type', {}, KEY_BUNDLE_TYPE),
      node('identity', {}, identity),
      signedPreKey,
      ...(key ? [key] : []),
    ]);
  }

  deliver(companion: Companion, stanza: BinaryNode): void {
    const id = stanza.attrs.id!;
    this.#delivered.set(id, { companion, stanza });
    const waiting = this.#waiting.get(companion.jid)!.filter((other) => other.id !== id);
    this.#waiting.set(companion.jid, [...waiting, { id, stanza }]);
    if (!this.pushes) return;
    for (const link of this.links) if (link.device === companion.jid && link.active) link.send(stanza);
  }

  /** Everybody with a phone. */
  everybody(): Set<Person> {
    return new Set(this.#people.values());
  }

  /** Delivers a message once more, as if the device had not said that it has it. */
  redeliver(id: string): void {
    const { companion, stanza } = this.#delivered.get(id)!;
    this.deliver(companion, stanza);
  }

  /** When a message was written, in seconds since the epoch. */
  timeOf(id: string): string {
    return this.#delivered.get(id)!.stanza.attrs.t!;
  }

  /** Whether a message still waits for the device to say that it has it. */
  waits(device: string, id: string): boolean {
    return this.#waiting.get(device)!.some((waiting) => waiting.id === id);
  }

  #link(companion: Companion): void {
    this.#companions.set(companion.jid, { ...companion, preKeys: [...companion.preKeys] });
    this.#waiting.set(companion.jid, []);
    this.#devices = Math.max(this.#devices, jidDecode(companion.jid)!.device!);
  }

  #entered(link: Link, payload: proto.ClientPayload): void {
    if (payload.devicePairingData) {
      link.refs = Array.from({ length: REFS }, (_, index) => `ref-${link.clientKey.toString('hex', 0, 8)}-${index}`);
      const refs = link.refs.map((ref) => node('ref', {}, Buffer.from(ref)));
      link.send(node('iq', { id: 'pair-device', type: 'set', from: SERVER }, [node('pair-device', {}, refs)]));
      this.#pairing.set(link, payload.devicePairingData);
      return;
    }
    const companion = this.#companions.get(`${payload.username}:${payload.device}@${SERVER}`);
    const known = companion?.noiseKey.equals(link.clientKey);
    if (!known || this.refusal) {
      this.refused += 1;
      link.send(node('failure', this.refusal ?? { reason: '401' }));
      link.close();
      return;
    }
    this.logins += 1;
    link.device = companion!.jid;
    link.send(node('success', { t: seconds(), lid: `${this.owner.lid}:${payload.device}@lid`, status: 'active' }));
  }

  readonly #pairing = new Map<Link, proto.ClientPayload.IDevicePairingRegistrationData>();

  async #received(link: Link, stanza: BinaryNode): Promise<void> {
    const { tag, attrs } = stanza;
    if (tag === 'iq' && attrs.type === 'result') this.#linked(link, stanza);
    else if (tag === 'iq') await this.#asked(link, stanza);
    else if (tag === 'message') await this.#message(link, stanza);
    else {
      this.stanzas.push(stanza);
      if (tag === 'receipt') await this.#receipt(link, stanza);
      else if (tag === 'ack' && attrs.class === 'message') this.#acknowledged(link.device!, [attrs.id!]);
      else if (find(stanza, 'offline_batch')) this.#offline(link);
    }
  }

  async #asked(link: Link, query: BinaryNode): Promise<void> {
    const fault = this.queryFaults.get(query.attrs.xmlns!);
    if (fault === undefined) link.send(await answer(this, link.device!, query));
    else
      link.send(
        node('iq', { id: query.attrs.id!, type: 'error' }, [node('error', { code: String(fault), text: 'fault' })]),
      );
    if (query.attrs.xmlns !== 'passive') return;
    link.active = true;
    const count = String(this.#waiting.get(link.device!)!.length);
    link.send(node('ib', { from: SERVER }, [node('offline_preview', { count, message: count })]));
  }

  #offline(link: Link): void {
    const waiting = this.#waiting.get(link.device!)!;
    if (this.pushes) {
      for (const [index, { stanza }] of waiting.entries()) {
        link.send({ ...stanza, attrs: { ...stanza.attrs, offline: String(index) } });
      }
    }
    link.send(node('ib', { from: SERVER }, [node('offline', { count: String(waiting.length) })]));
  }

  /** The device proves that it is the one whose code was scanned: it is linked, and must log in anew. */
  #linked(link: Link, result: BinaryNode): void {
    const identityNode = find(result, 'pair-device-sign', 'device-identity');
    const data = this.#pairing.get(link);
    if (!identityNode || !data) return;
    const code = readCode(link.refs[0]!);
    if (!isSignedByDevice(this.owner, code, bytesOf(identityNode)) || !code.noiseKey.equals(link.clientKey)) {
      link.close();
      return;
    }
    this.#link({
      jid: link.device!,
      phone: this.owner.phone,
      noiseKey: link.clientKey,
      registration: node('registration', {}, data.eRegid!),
      identity: Buffer.from(data.eIdent!),
      signedPreKey: node('skey', {}, [
        node('id', {}, data.eSkeyId!),
        node('value', {}, data.eSkeyVal!),
        node('signature', {}, data.eSkeySig!),
      ]),
      preKeys: [],
    });
    link.send(node('stream:error', { code: '515' }));
    link.close();
  }

  async #message(link: Link, stanza: BinaryNode): Promise<void> {
    const { id, to } = stanza.attrs;
    // What a device tells the owner's phone about itself is no message anybody sees.
    if (stanza.attrs.category !== 'peer') {
      this.attempts.push({ id: id!, device: link.device!, stanza });
      const fault = this.faults.shift();
      if (fault === 'silence') return;
      if (fault === 'cut') return link.cut();
      if (fault === 'unlink') return this.unlink(link.device!);
      if (fault) {
        link.send(node('ack', { class: 'message', id: id!, from: to!, t: seconds(), error: fault.error }));
        return;
      }
    }
    await this.#spread(this.#companions.get(link.device!)!, stanza);
    link.send(node('ack', { class: 'message', id: id!, from: to!, t: seconds() }));
  }

  async #spread(author: Companion, stanza: BinaryNode): Promise<void> {
    const group = this.#groups.get(stanza.attrs.to!);
    const readers = new Set<Person>();
    for (const to of children(find(stanza, 'participants'), 'to')) {
      const { user, device } = jidDecode(to.attrs.jid)!;
      const person = this.#people.get(user);
      if (!person || device) continue;
      readers.add(person);
      const other = person === this.owner ? this.#people.get(jidDecode(stanza.attrs.to)!.user)! : person;
      await person.read(author, group?.jid ?? other.phone, stanza, find(to, 'enc')!);
    }
    const sealed = group && find(stanza, 'enc');
    for (const member of sealed ? group.members : []) {
      if (member !== this.owner) await member.read(author, group!.jid, stanza, sealed!);
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
    if (type !== 'read' && type !== 'played') this.#acknowledged(link.device!, [id!, ...more]);
    link.send(node('ack', { class: 'receipt', id: id!, from: to!, ...(type ? { type } : {}) }));
  }

  #acknowledged(device: string, ids: readonly string[]): void {
    const waiting = this.#waiting.get(device)!;
    this.#waiting.set(
      device,
      waiting.filter(({ id }) => !ids.includes(id)),
    );
  }
}
