import { decodeFrame, encodeFrame, type Frame } from '../../src/protocol/frame.ts';
import type { FollowUp } from '../../src/protocol/messages.ts';
import { FOLLOW_UPS } from '../../src/protocol/vocabulary.ts';
import type { SimulatedClock } from './clock.ts';
import type { Report } from './invariants/report.ts';
import { type Position, Subscription } from './invariants/streams.ts';
import type { Connection, Network, Peer } from './network.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';
import { LETHAL, POISON, tokenOf } from './token.ts';

export interface ClientParts {
  plan: Plan;
  clock: SimulatedClock;
  random: Random;
  network: Network;
  report: Report;
  /** Numbers messages and requests; unique in the world. */
  nextNumber(): number;
}

/** A message under an idempotency key: it is sent again and again, until it is acknowledged. */
interface Outgoing {
  /** Index of its session. */
  session: number;
  data: { session: string; text: string; idempotencyKey?: string; mode?: FollowUp };
  /** It was sent again without waiting for an answer. */
  isImpatient?: boolean;
}

/** What a client knows of one session. */
interface Followed {
  subscription: Subscription;
  /** Whether it is subscribed, on this connection. */
  isLive: boolean;
  isCreating: boolean;
}

type Answer = (reply: Frame<string, unknown> | undefined) => void;

/** How long a client waits before it tries something again, in milliseconds. */
const RETRY_MS_MAX = 2_000;
/** What a client does, and how often. */
const DEEDS = {
  send: 20,
  sendKeyed: 20,
  cancel: 2,
  cancelRun: 2,
  reset: 1,
  command: 2,
  update: 1,
  history: 1,
  hangUp: 2,
  delete: 0.5,
};
const COMMANDS = ['/status', '/stop', '/new', '/queue', '/usage'];

/**
 * Somebody with a client that behaves as `docs/protocol.md` says one should: it says hello again after a cut, asks for what
 * it missed, and sends what was not acknowledged again under its key. What it does otherwise, the seed says.
 */
export class SimulatedClient implements Peer {
  readonly name: string;
  readonly #parts: ClientParts;
  readonly #followed: Followed[];
  readonly #outgoing = new Set<Outgoing>();
  /** By the id of the request. */
  readonly #asked = new Map<string, Answer>();
  #connection: Connection | undefined;
  #deedsLeft: number;
  #hasLeft = false;
  /** The run it has heard of last. */
  #run = 'none';

  constructor(parts: ClientParts, name: string) {
    this.name = name;
    this.#parts = parts;
    this.#deedsLeft = parts.plan.deeds;
    this.#followed = parts.plan.sessions.map((key) => ({
      subscription: new Subscription(parts.report, `${name} in ${key}`),
      isLive: false,
      isCreating: false,
    }));
    this.#connect();
    this.#think();
  }

  /** It has done all it wanted, and what it sent under a key is acknowledged. */
  get isDone(): boolean {
    return this.#deedsLeft === 0 && this.#outgoing.size === 0;
  }

  get work(): string {
    return `${this.name} has ${this.#deedsLeft} deeds left, ${this.#outgoing.size} messages to send`;
  }

  /** Hangs up for good. */
  leave(): void {
    this.#hasLeft = true;
    this.#connection?.cut();
  }

  received(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    const answer = this.#asked.get(frame.id as string);
    this.#asked.delete(frame.id as string);
    if (answer !== undefined) answer(frame);
    else this.#heard(frame as Frame<string, Position & { session: string; run?: string }>);
  }

  cut(): void {
    this.#connection = undefined;
    for (const followed of this.#followed) followed.isLive = false;
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const answer of asked) answer(undefined);
    this.#soon(() => this.#connect());
  }

  #connect(): void {
    if (this.#connection !== undefined || this.#hasLeft) return;
    this.#connection = this.#parts.network.connect(this);
    if (this.#connection === undefined) this.#soon(() => this.#connect());
    else for (const index of this.#followed.keys()) this.#subscribe(index);
  }

  /** Asks for what it missed, and from then on hears all; then it sends what it has for the session. */
  #subscribe(index: number): void {
    const followed = this.#followed[index]!;
    const { position } = followed.subscription;
    const asked = position === undefined ? {} : { after: position.seq, epoch: position.epoch };
    this.#ask('subscribe', index, asked, (reply) => {
      if (reply === undefined) return;
      if (reply.type === 'error' && reply.error?.code === 'not_found') return this.#create(index);
      if (reply.type === 'error') return this.#soon(() => this.#subscribe(index), this.#connection);
      const { recovered, ...told } = reply.data as Position & { recovered: boolean };
      followed.subscription.begins(told, recovered);
      followed.isLive = true;
      this.#sendAll(index);
    });
  }

  #sendAll(index: number): void {
    for (const outgoing of this.#outgoing) if (outgoing.session === index) this.#send(outgoing);
  }

  /** Makes a session that is not there (any more), and goes on. */
  #create(index: number): void {
    const followed = this.#followed[index]!;
    if (followed.isCreating) return;
    followed.isCreating = true;
    const [, agent, type, channel, user] = this.#parts.plan.sessions[index]!.split(':');
    this.#ask('session.create', index, { agent, type, channel, user }, (reply) => {
      followed.isCreating = false;
      if (reply === undefined) return;
      if (followed.isLive) this.#sendAll(index);
      else this.#soon(() => this.#subscribe(index), this.#connection);
    });
  }

  #heard({ type, data }: Frame<string, Position & { session: string; run?: string; deleted?: boolean }>): void {
    const { session, epoch, seq, run } = data!;
    this.#followed[this.#parts.plan.sessions.indexOf(session)]!.subscription.event({ epoch, seq });
    if (type === 'run.start') this.#run = run ?? 'none';
  }

  #think(): void {
    if (this.#deedsLeft === 0) return;
    const { random, plan, clock } = this.#parts;
    clock.schedule(this.name, random.between(0, plan.thinkMs), () => {
      const index = random.between(0, plan.sessions.length - 1);
      if (this.#followed[index]!.isLive) {
        this.#deedsLeft -= 1;
        this.#act(index);
      }
      this.#think();
    });
  }

  #act(index: number): void {
    const { random } = this.#parts;
    const ask = (type: string, data: object) => this.#ask(type, index, data, () => {});
    const deeds: Record<keyof typeof DEEDS, () => void> = {
      send: () => ask('message.send', this.#message(index, false).data),
      sendKeyed: () => {
        const outgoing = this.#message(index, true);
        this.#outgoing.add(outgoing);
        this.#send(outgoing);
      },
      cancel: () => ask('message.cancel', {}),
      cancelRun: () => ask('message.cancel', { run: this.#run }),
      reset: () => ask('session.reset', {}),
      command: () => ask('message.send', { text: random.pick(COMMANDS) }),
      update: () => ask('session.update', { followUp: random.pick([...FOLLOW_UPS, null]) }),
      history: () => ask('session.history', {}),
      hangUp: () => this.#connection?.cut(),
      delete: () => ask('session.delete', {}),
    };
    deeds[random.weighted(DEEDS)]();
  }

  #message(index: number, keyed: boolean): Outgoing {
    const { plan, random, nextNumber } = this.#parts;
    const number = nextNumber();
    const poison = random.chance(plan.faults.poison) ? ` ${POISON}` : '';
    const lethal = random.chance(plan.faults.lethal) ? ` ${LETHAL}` : '';
    const mode = random.chance(0.3) ? { mode: random.pick(FOLLOW_UPS) } : {};
    const key = keyed ? { idempotencyKey: `key-${number}` } : {};
    const text = `${tokenOf(index, number, keyed)}${poison}${lethal}`;
    return { session: index, data: { session: plan.sessions[index]!, text, ...mode, ...key } };
  }

  /** Sends a message under its key, again and again until there is an answer that is no reason to try again. */
  #send(outgoing: Outgoing): void {
    const again = () => {
      // After a cut it is sent again once the client hears the session again.
      if (this.#outgoing.has(outgoing) && this.#followed[outgoing.session]!.isLive) this.#send(outgoing);
    };
    const connection = this.#connection;
    this.#ask('message.send', outgoing.session, outgoing.data, (reply) => {
      if (reply === undefined) return;
      if (reply.type !== 'error') return void this.#outgoing.delete(outgoing);
      if (reply.error?.code === 'not_found') return this.#create(outgoing.session);
      if (reply.error?.retryable === true) return this.#soon(again, connection);
      this.#parts.report(`${this.name} is refused ${outgoing.data.text}: ${reply.error?.code} ${reply.error?.message}`);
    });
    if (outgoing.isImpatient === undefined && this.#parts.random.chance(0.1)) {
      outgoing.isImpatient = true;
      this.#soon(again, connection);
    }
  }

  #ask(type: string, index: number, data: object, answer: Answer): void {
    const session = this.#parts.plan.sessions[index]!;
    if (this.#connection === undefined) {
      answer(undefined);
      return;
    }
    const id = `r${this.#parts.nextNumber()}`;
    this.#asked.set(id, answer);
    const named = type === 'session.create' ? data : { session, ...data };
    const frame = encodeFrame({ id, type, timestamp: this.#parts.clock.now(), data: named });
    this.#connection.send(session, Buffer.from(frame));
  }

  /** Does it in a while; where a connection is given, only if that is still there. */
  #soon(deed: () => void, connection?: Connection): void {
    const { clock, random } = this.#parts;
    clock.schedule(this.name, random.between(1, RETRY_MS_MAX), () => {
      if (connection === undefined || connection === this.#connection) deed();
    });
  }
}
