/** The connections that are open: how many there may be, who is there, and what is told to all of them. */
import { CLOSE_CODES } from '../protocol/errors.ts';
import { encodeFrame } from '../protocol/frame.ts';
import { PRESENCE_MAX, RECONNECT_AFTER_MS } from '../protocol/limits.ts';
import type {
  ChannelStatus,
  GatewayCounters,
  GatewayEvents,
  PairingEvent,
  Presence,
  Replies,
} from '../protocol/messages.ts';
import type { Connection } from './connection.ts';
import { mayAdminister } from './scopes.ts';

export interface ConnectionLimits {
  connections: number;
  connectionsPerAddress: number;
  unauthenticated: number;
}

export class Clients implements Iterable<Connection> {
  readonly #limits: ConnectionLimits;
  readonly #counters: GatewayCounters;
  readonly #all = new Set<Connection>();
  readonly #present = new Set<Connection>();
  readonly #watching = new Set<Connection>();
  /** Those who are told how channels are. */
  readonly #watchingChannels = new Set<Connection>();
  readonly #watchingPairing = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();
  #events = 0;

  constructor(limits: ConnectionLimits, counters: GatewayCounters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#all.values();
  }

  /** Whether one more from this address is one too many. Loopback ones, behind which a proxy may be, have no limit. */
  full(address: string, loopback: boolean): boolean {
    const { connections, connectionsPerAddress, unauthenticated } = this.#limits;
    return (
      this.#all.size >= connections ||
      this.#all.size - this.#present.size >= unauthenticated ||
      (!loopback && (this.#byAddress.get(address) ?? 0) >= connectionsPerAddress)
    );
  }

  opened(connection: Connection): void {
    this.#all.add(connection);
    this.#byAddress.set(connection.address, (this.#byAddress.get(connection.address) ?? 0) + 1);
  }

  /** Said a good hello. */
  joined(connection: Connection): void {
    this.#present.add(connection);
    this.#tell('joined', connection);
  }

  closed(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    const others = (this.#byAddress.get(connection.address) ?? 1) - 1;
    if (others > 0) this.#byAddress.set(connection.address, others);
    else this.#byAddress.delete(connection.address);
    this.#watching.delete(connection);
    this.#watchingChannels.delete(connection);
    this.#watchingPairing.delete(connection);
    if (this.#present.delete(connection)) this.#tell('left', connection);
  }

  /** Tells `connection` from now on who comes and goes, or no longer. */
  watch(connection: Connection, watch: boolean): void {
    if (watch) this.#watching.add(connection);
    else this.#watching.delete(connection);
  }

  /** The same of how the accounts of channels are. */
  watchChannels(connection: Connection, watch: boolean): void {
    if (watch) this.#watchingChannels.add(connection);
    else this.#watchingChannels.delete(connection);
  }

  tellChannel(channel: ChannelStatus): void {
    for (const watcher of this.#watchingChannels) this.#send(watcher, 'channel.update', { channel });
  }

  /** Tells all admins that watch, or `only` one of them. */
  tellQr(code: GatewayEvents['channel.qr'], only?: Connection): void {
    for (const watcher of only === undefined ? this.#watchingChannels : [only]) {
      if (mayAdminister(watcher.scopeBits)) this.#send(watcher, 'channel.qr', code);
    }
  }

  /** Tells `connection`, an admin's, from now on who asks to be let in on channels, or no longer. */
  watchPairing(connection: Connection, watch: boolean): void {
    if (watch) this.#watchingPairing.add(connection);
    else this.#watchingPairing.delete(connection);
  }

  tellPairing({ type, data }: PairingEvent): void {
    for (const watcher of this.#watchingPairing) {
      if (mayAdminister(watcher.scopeBits)) this.#send(watcher, type, data);
    }
  }

  /** Those that are there, the newest first. */
  list(): Replies['presence.list'] {
    const newest = [...this.#present].slice(-PRESENCE_MAX).reverse();
    return { connections: newest.map(({ presence }) => presence as Presence), total: this.#present.size };
  }

  /**
   * Closes the connections that came in with the token of this name, and returns how many. They may do nothing from now
   * on, and are closed after this turn of the event loop: whoever ended its own token gets the reply first.
   */
  closeToken(name: string, reason: string): number {
    const closing = [...this.#present].filter(({ grant }) => grant?.name === name);
    for (const connection of closing) {
      connection.scopeBits = 0;
      setImmediate(() => connection.close(CLOSE_CODES.unauthorized, reason));
    }
    this.#counters.tokensClosed += closing.length;
    return closing.length;
  }

  /** Tells everybody that the gateway will close them. */
  sayGoaway(): void {
    for (const connection of this.#present) this.#send(connection, 'goaway', { reconnectAfterMs: RECONNECT_AFTER_MS });
  }

  #tell(change: 'joined' | 'left', { presence }: Connection): void {
    if (presence === undefined) return;
    for (const watcher of this.#watching) this.#send(watcher, 'presence', { change, connection: presence });
  }

  #send<T extends keyof GatewayEvents>(connection: Connection, type: T, data: GatewayEvents[T]): void {
    this.#events += 1;
    connection.send(encodeFrame({ id: `gateway-${this.#events}`, type, timestamp: Date.now(), data }));
  }
}
