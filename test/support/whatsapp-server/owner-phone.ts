/** The phone of the account's owner: it scans the QR code, and signs that the device which shows it is one of its own. */
import { Curve, hmacSign, proto } from '@whiskeysockets/baileys';
import type { Person } from './person.ts';

/** What a QR code says. */
export interface Code {
  readonly ref: string;
  readonly noiseKey: Buffer;
  readonly identity: Buffer;
  readonly advSecret: Buffer;
}

const ACCOUNT_SIGNATURE = Buffer.from([6, 0]);
const DEVICE_SIGNATURE = Buffer.from([6, 1]);

/** Throws for what is no code of WhatsApp's. */
export function readCode(code: string): Code {
  const [ref, noiseKey, identity, advSecret] = code.split('#')[1]!.split(',');
  const decode = (text: string | undefined): Buffer => Buffer.from(text!, 'base64');
  return { ref: ref!, noiseKey: decode(noiseKey), identity: decode(identity), advSecret: decode(advSecret) };
}

/** The owner's signature for the device with this code, which proves by the code's secret that it was scanned. */
export function signDevice(owner: Person, code: Code, keyIndex: number): Uint8Array {
  const { public: accountSignatureKey, private: key } = owner.device.creds.signedIdentityKey;
  const details = proto.ADVDeviceIdentity.encode({
    rawId: 1,
    timestamp: Math.floor(Date.now() / 1_000),
    keyIndex,
  }).finish();
  const accountSignature = Curve.sign(key, Buffer.concat([ACCOUNT_SIGNATURE, details, code.identity]));
  const signed = proto.ADVSignedDeviceIdentity.encode({ details, accountSignatureKey, accountSignature }).finish();
  const hmac = hmacSign(signed, code.advSecret);
  return proto.ADVSignedDeviceIdentityHMAC.encode({ details: signed, hmac }).finish();
}

/** Whether the device answered with its own signature. */
export function isSignedByDevice(owner: Person, code: Code, answer: Uint8Array): boolean {
  const { details, deviceSignature } = proto.ADVSignedDeviceIdentity.decode(answer);
  const account = owner.device.creds.signedIdentityKey.public;
  const signed = Buffer.concat([DEVICE_SIGNATURE, details!, code.identity, account]);
  return Curve.verify(code.identity, signed, deviceSignature!);
}
