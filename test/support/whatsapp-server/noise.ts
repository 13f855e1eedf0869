/**
 * The answering side of the Noise handshake as WhatsApp Web does it, Noise_XX_25519_AESGCM_SHA256 with the four bytes of the
 * intro as prologue (https://noiseprotocol.org/noise.html, revision 34). Baileys has the asking side only.
 */
import {
  aesDecryptGCM,
  aesEncryptGCM,
  Curve,
  hkdf,
  type KeyPair,
  NOISE_MODE,
  proto,
  sha256,
} from '@whiskeysockets/baileys';

const NOTHING = Buffer.alloc(0);

/** One direction of the connection once the handshake is done. */
class Direction {
  readonly #key: Buffer;
  #counter = 0;

  constructor(key: Buffer) {
    this.#key = key;
  }

  seal(plaintext: Uint8Array): Buffer {
    return aesEncryptGCM(plaintext, this.#key, iv(this.#counter++), NOTHING);
  }

  open(ciphertext: Uint8Array): Buffer {
    return aesDecryptGCM(ciphertext, this.#key, iv(this.#counter++), NOTHING);
  }
}

export class NoiseResponder {
  readonly #staticKey: KeyPair;
  readonly #ephemeral = Curve.generateKeyPair();
  #hash = Buffer.from(NOISE_MODE);
  #salt: Buffer = this.#hash;
  #key: Buffer = this.#hash;
  #counter = 0;

  constructor(staticKey: KeyPair, prologue: Uint8Array) {
    this.#staticKey = staticKey;
    this.#authenticate(prologue);
  }

  /** The answer to the first message of the client. */
  hello(clientHello: Uint8Array, certificate: Uint8Array): Uint8Array {
    const ephemeral = proto.HandshakeMessage.decode(clientHello).clientHello!.ephemeral!;
    this.#authenticate(ephemeral);
    this.#authenticate(this.#ephemeral.public);
    this.#mix(Curve.sharedKey(this.#ephemeral.private, ephemeral));
    const staticKey = this.#encrypt(this.#staticKey.public);
    this.#mix(Curve.sharedKey(this.#staticKey.private, ephemeral));
    const payload = this.#encrypt(certificate);
    const serverHello = { ephemeral: this.#ephemeral.public, static: staticKey, payload };
    return proto.HandshakeMessage.encode({ serverHello }).finish();
  }

  /** Reads the second message: who the client is, and what it wants; then both directions are open. */
  finish(message: Uint8Array) {
    const { clientFinish } = proto.HandshakeMessage.decode(message);
    const clientKey = this.#decrypt(clientFinish!.static!);
    this.#mix(Curve.sharedKey(this.#ephemeral.private, clientKey));
    const payload = proto.ClientPayload.decode(this.#decrypt(clientFinish!.payload!));
    const [inbound, outbound] = this.#derive(NOTHING);
    return { clientKey, payload, inbound: new Direction(inbound), outbound: new Direction(outbound) };
  }

  #authenticate(data: Uint8Array): void {
    this.#hash = Buffer.from(sha256(Buffer.concat([this.#hash, data])));
  }

  #derive(secret: Uint8Array): [Buffer, Buffer] {
    const keys = Buffer.from(hkdf(secret, 64, { salt: this.#salt, info: '' }));
    return [keys.subarray(0, 32), keys.subarray(32)];
  }

  #mix(secret: Uint8Array): void {
    [this.#salt, this.#key] = this.#derive(secret);
    this.#counter = 0;
  }

  #encrypt(plaintext: Uint8Array): Buffer {
    const ciphertext = aesEncryptGCM(plaintext, this.#key, iv(this.#counter++), this.#hash);
    this.#authenticate(ciphertext);
    return ciphertext;
  }

  #decrypt(ciphertext: Uint8Array): Buffer {
    const plaintext = aesDecryptGCM(ciphertext, this.#key, iv(this.#counter++), this.#hash);
    this.#authenticate(ciphertext);
    return plaintext;
  }
}

function iv(counter: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(counter, 8);
  return bytes;
}
