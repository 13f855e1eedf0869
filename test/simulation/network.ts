import type { SimulatedClock } from './clock.ts';
import type { Random } from './random.ts';

/** Longest way of a frame, in milliseconds. */
const LATENCY_MS_MAX = 30;

/** A client's end of a connection. */
export interface Peer {
  readonly name: string;
  received(frame: Uint8Array): void;
  /** The connection is no more. */
  cut(): void;
}

/** The gateway's end: where frames and ends of connections arrive. */
export interface FrontDoor {
  request(connection: Connection, session: string, frame: Uint8Array): void;
}

/** One connection: frames arrive in order each way, later; what is on its way when it is cut may be lost. */
export class Connection {
  readonly peer: Peer;
  readonly subscriptions = new Set<string>();
  readonly #network: Network;
  readonly #name: string;
  isOpen = true;

  constructor(network: Network, peer: Peer, number: number) {
    this.#network = network;
    this.peer = peer;
    this.#name = `${peer.name} #${number}`;
  }

  /** From the client. `session`: what the front end routes it to. */
  send(session: string, frame: Uint8Array): void {
    const { clock, random, door } = this.#network;
    const at = `${this.#name} up`;
    clock.schedule(
      at,
      random.between(0, LATENCY_MS_MAX),
      () => {
        // Sent before the cut: it may have arrived.
        if (this.isOpen || random.chance(0.5)) door()?.request(this, session, frame);
      },
      { inOrder: true },
    );
  }

  /** To the client; the bytes are copied. */
  deliver(frame: Uint8Array): void {
    const { clock, random } = this.#network;
    const copy = Buffer.from(frame);
    clock.schedule(
      `${this.#name} down`,
      random.between(0, LATENCY_MS_MAX),
      () => {
        if (this.isOpen) this.peer.received(copy);
      },
      { inOrder: true },
    );
  }

  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#network.forget(this);
    this.peer.cut();
  }
}

/** All connections of a world, and who is subscribed to what: the part of the front end, which lives as long as its process. */
export class Network {
  readonly clock: SimulatedClock;
  readonly random: Random;
  /** The process that answers; undefined: there is none. */
  readonly door: () => FrontDoor | undefined;
  readonly #connections: Connection[] = [];
  #count = 0;

  constructor(clock: SimulatedClock, random: Random, door: () => FrontDoor | undefined) {
    this.clock = clock;
    this.random = random;
    this.door = door;
  }

  get connections(): readonly Connection[] {
    return this.#connections;
  }

  /** Undefined: nobody listens. */
  connect(peer: Peer): Connection | undefined {
    if (this.door() === undefined) return undefined;
    const connection = new Connection(this, peer, this.#count++);
    this.#connections.push(connection);
    return connection;
  }

  /** To everybody who is subscribed to the session. */
  publish(session: string, frame: Uint8Array): void {
    for (const connection of this.#connections) if (connection.subscriptions.has(session)) connection.deliver(frame);
  }

  cutAll(): void {
    for (const connection of [...this.#connections]) connection.cut();
  }

  forget(connection: Connection): void {
    this.#connections.splice(this.#connections.indexOf(connection), 1);
  }
}
