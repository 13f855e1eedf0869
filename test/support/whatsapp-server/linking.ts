/** Linking a device: it is given codes, the owner scans one with the phone, and both sides sign. */
import { randomBytes } from 'node:crypto';
import { type BinaryNode, jidDecode, type proto } from '@whiskeysockets/baileys';
import type { Link } from './link.ts';
import { bytesOf, find, node, SERVER, seconds } from './nodes.ts';
import { type Code, isSignedByDevice, readCode, signDevice } from './owner-phone.ts';
import type { Companion, Person } from './person.ts';

type Registration = proto.ClientPayload.IDevicePairingRegistrationData;

const REFS = 6;

interface Candidate {
  readonly registration: Registration;
  readonly refs: readonly string[];
  /** What was scanned, and the address the device will have. */
  scanned?: { readonly code: Code; readonly jid: string };
}

export class Linking {
  readonly #owner: Person;
  readonly #candidates = new Map<Link, Candidate>();

  constructor(owner: Person) {
    this.#owner = owner;
  }

  /** A device that is nobody's yet gets codes to show. */
  begin(link: Link, registration: Registration): void {
    const round = randomBytes(8).toString('hex');
    const refs = Array.from({ length: REFS }, (_, index) => `ref-${round}-${index}`);
    this.#candidates.set(link, { registration, refs });
    const content = refs.map((ref) => node('ref', {}, Buffer.from(ref)));
    link.send(node('iq', { id: 'pair-device', type: 'set', from: SERVER }, [node('pair-device', {}, content)]));
  }

  scan(text: string, device: number): void {
    const code = readCode(text);
    const [link, candidate] = [...this.#candidates].find(([, { refs }]) => refs.includes(code.ref)) ?? [];
    if (!link) throw new Error('the code is not good any more');
    const jid = `${this.#owner.phone}:${device}@${SERVER}`;
    candidate!.scanned = { code, jid };
    const content = [
      node('device-identity', {}, signDevice(this.#owner, code, device)),
      node('device', { jid, lid: `${this.#owner.lid}:${device}@lid` }),
      node('platform', { name: 'android' }),
    ];
    const attrs = { id: `pair-${device}`, type: 'set', from: SERVER, t: seconds() };
    link.send(node('iq', attrs, [node('pair-success', {}, content)]));
  }

  /** The device's answer: it proves to be the one whose code was scanned. Undefined for any other answer. */
  finish(link: Link, answer: BinaryNode): Companion | undefined {
    const candidate = this.#candidates.get(link);
    const identity = find(answer, 'pair-device-sign', 'device-identity');
    if (!identity || !candidate?.scanned) return undefined;
    const { code, jid } = candidate.scanned;
    const proved = isSignedByDevice(this.#owner, code, bytesOf(identity)) && code.noiseKey.equals(link.clientKey);
    return proved ? companionOf(jid, link, candidate.registration) : undefined;
  }

  forget(link: Link): void {
    this.#candidates.delete(link);
  }
}

function companionOf(jid: string, link: Link, data: Registration): Companion {
  return {
    jid,
    phone: jidDecode(jid)!.user,
    noiseKey: link.clientKey,
    registration: node('registration', {}, data.eRegid!),
    identity: Buffer.from(data.eIdent!),
    signedPreKey: node('skey', {}, [
      node('id', {}, data.eSkeyId!),
      node('value', {}, data.eSkeyVal!),
      node('signature', {}, data.eSkeySig!),
    ]),
    preKeys: [],
  };
}
