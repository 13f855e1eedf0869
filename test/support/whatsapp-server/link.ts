/** One connection of a client to the server: the bytes of a WebSocket on one side, nodes on the other. */
import {
  type BinaryNode,
  decodeBinaryNode,
  encodeBinaryNode,
  type KeyPair,
  NOISE_WA_HEADER,
  type proto,
} from '@whiskeysockets/baileys';
import type { WebSocket } from 'ws';
import { NoiseResponder } from './noise.ts';

export interface LinkEvents {
  /** The handshake is done. */
  entered(link: Link, payload: proto.ClientPayload): void;
  /** Handled one after another. */
  received(link: Link, node: BinaryNode): Promise<void>;
  closed(link: Link): void;
}

export class Link {
  readonly #socket: WebSocket;
  readonly #events: LinkEvents;
  readonly #noise: NoiseResponder;
  readonly #certificate: Uint8Array;
  #bytes: Buffer = Buffer.alloc(0);
  #stage: 'intro' | 'hello' | 'finish' | 'open' = 'intro';
  #directions: Pick<ReturnType<NoiseResponder['finish']>, 'inbound' | 'outbound'> | undefined;
  #reading = Promise.resolve();
  /** The client's static key: what it is known by. */
  clientKey: Buffer = Buffer.alloc(0);
  /** The device it logged in as. */
  device: string | undefined;
  /** Whether it wants to be sent messages. */
  active = false;

  constructor(socket: WebSocket, staticKey: KeyPair, certificate: Uint8Array, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#certificate = certificate;
    this.#noise = new NoiseResponder(staticKey, NOISE_WA_HEADER);
    socket.on('message', (data: Buffer) => {
      this.#reading = this.#reading.then(() => this.#read(data)).catch(() => this.cut());
    });
    socket.on('close', () => events.closed(this));
    socket.on('error', () => undefined);
  }

  send(message: BinaryNode): void {
    if (this.#directions) this.#write(this.#directions.outbound.seal(encodeBinaryNode(message)));
  }

  /** A frame that is no ciphertext of this connection. */
  sendGarbage(): void {
    this.#write(Buffer.alloc(40, 7));
  }

  /** Closes as WhatsApp does. */
  close(): void {
    this.#socket.close();
  }

  /** Closes without a word. */
  cut(): void {
    this.#socket.terminate();
  }

  #write(frame: Uint8Array): void {
    const length = Buffer.alloc(3);
    length.writeUIntBE(frame.length, 0, 3);
    this.#socket.send(Buffer.concat([length, frame]));
  }

  async #read(data: Buffer): Promise<void> {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    if (this.#stage === 'intro') {
      const intro = this.#bytes.subarray(0, NOISE_WA_HEADER.length);
      if (!intro.equals(NOISE_WA_HEADER)) throw new Error('not a client of WhatsApp');
      this.#bytes = this.#bytes.subarray(intro.length);
      this.#stage = 'hello';
    }
    while (this.#bytes.length >= 3 && this.#bytes.length >= 3 + this.#bytes.readUIntBE(0, 3)) {
      const end = 3 + this.#bytes.readUIntBE(0, 3);
      const frame = this.#bytes.subarray(3, end);
      this.#bytes = this.#bytes.subarray(end);
      await this.#frame(frame);
    }
  }

  async #frame(frame: Buffer): Promise<void> {
    if (this.#stage === 'hello') {
      this.#stage = 'finish';
      this.#write(this.#noise.hello(frame, this.#certificate));
    } else if (this.#stage === 'finish') {
      this.#stage = 'open';
      const { clientKey, payload, ...directions } = this.#noise.finish(frame);
      this.clientKey = clientKey;
      this.#directions = directions;
      this.#events.entered(this, payload);
    } else {
      await this.#events.received(this, await decodeBinaryNode(this.#directions!.inbound.open(frame)));
    }
  }
}
