/**
 * From what Slack delivers to the account: in order within a channel, channels beside each other. Socket Mode and HTTP both
 * hand theirs in here, and learn what Slack is to be told. Presses wait for nobody.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AdapterEvents, Chat, InboundMessage } from '../adapter.ts';
import type { Position } from '../position.ts';
import {
  type CommandBody,
  inboundCommand,
  inboundMessage,
  inboundPress,
  isSaid,
  type MessageEvent,
  type PressBody,
  type Reading,
  threadOf,
  updateOf,
} from './normalize.ts';

/** Messages that are under way at most. Beyond them Slack is told nothing, and delivers them again. */
const UNDER_WAY_MAX = 1_000;
/** Messages that are remembered, since Slack tells of one in up to two events, and again where our word was lost. */
const KNOWN_MAX = 5_000;
/** Slack gives 3 s to answer a slash command, and half an hour for more. */
const ANSWER_MS = 2_500;
/** Longest text shown to whoever pressed a button. */
const ANSWER_LENGTH_MAX = 200;

const TAKEN = 'Taken; the answer follows here.';
const NOT_TAKEN = 'This could not be taken. Please try again in a while.';
const NOT_HERE = 'I am not in this conversation and cannot write here: invite me first, or ask me in a direct message.';

/** What Slack delivers: the body of an Events API request, a slash command or an interaction. */
export interface Delivery {
  readonly kind: 'events_api' | 'slash_commands' | 'interactive';
  readonly body: unknown;
}

/** What becomes of a delivery. Not `kept`: Slack should deliver it again. */
export interface Taken {
  readonly kept: boolean;
  /** What whoever gave a command is shown at once. */
  readonly answer?: { readonly response_type: 'ephemeral'; readonly text: string };
}

const DONE: Taken = { kept: true };

/** How a message of a channel is kept. */
type Take = (read: () => Promise<InboundMessage>, channel: string) => Promise<boolean>;

export class Intake {
  readonly #reading: Reading;
  readonly #events: AdapterEvents;
  readonly #position: Position;
  readonly #signal: AbortSignal;
  /** The last message of every channel that has one under way. */
  readonly #lanes = new Map<string, Promise<unknown>>();
  readonly #known = new Map<string, Promise<boolean>>();
  #underWay = 0;
  #full = false;

  /**
   * @param position told of what is kept
   * @param signal nothing is received after it
   */
  constructor(reading: Reading, events: AdapterEvents, position: Position, signal: AbortSignal) {
    this.#reading = reading;
    this.#events = events;
    this.#position = position;
    this.#signal = signal;
  }

  /** Resolves when the account has it on the disk, or nobody will ever want it. Never rejects. */
  async take({ kind, body }: Delivery): Promise<Taken> {
    if (this.#signal.aborted) return { kept: false };
    if (kind === 'events_api') return { kept: await this.#event(body as EventBody) };
    if (kind === 'slash_commands') return this.#command(body as CommandBody);
    if ((body as PressBody).type === 'block_actions') void this.#press(body as PressBody);
    return DONE;
  }

  /** Takes what the history of a conversation has, before what waits in its line. Never rejects. */
  async missed(event: unknown): Promise<void> {
    // One that was delivered meanwhile waits in the line itself.
    if (this.#signal.aborted || !isMessage(event) || this.#known.has(updateOf(event))) return;
    await this.#message(event, undefined, (read) => this.#keep(read));
  }

  /** What comes in the channel from now on waits for `first`. */
  hold(channel: string, first: Promise<void>): void {
    void this.#append(channel, () => first);
  }

  #event({ event, team_id: team }: EventBody): Promise<boolean> {
    return this.#message(event, team, (read, channel) => this.#inOrder(channel, read));
  }

  #message(event: unknown, team: string | undefined, take: Take): Promise<boolean> {
    if (!isMessage(event) || !isSaid(event, this.#reading.self)) return Promise.resolve(true);
    const update = updateOf(event);
    const known = this.#known.get(update);
    if (known) return known;
    this.#position.begin(update);
    const kept = take(() => inboundMessage(event, team, this.#reading), event.channel);
    this.#known.set(update, kept);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
    void kept.then((done) => {
      if (done) return this.#position.kept(update);
      // It is a new one when it comes again.
      this.#known.delete(update);
      this.#position.lost(update);
    });
    return kept;
  }

  /** Whether the account has it, after all that came before in the channel. */
  #inOrder(channel: string, read: () => Promise<InboundMessage>): Promise<boolean> {
    if (!this.#hasRoom()) return Promise.resolve(false);
    this.#underWay += 1;
    return this.#append(channel, () => this.#keep(read)).finally(() => (this.#underWay -= 1));
  }

  #append<T>(channel: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#lanes.get(channel) ?? Promise.resolve()).then(work).finally(() => {
      if (this.#lanes.get(channel) === done) this.#lanes.delete(channel);
    });
    this.#lanes.set(channel, done);
    return done;
  }

  #hasRoom(): boolean {
    const full = this.#underWay >= UNDER_WAY_MAX;
    if (full && !this.#full) {
      this.#events.log.error(
        { waiting: this.#underWay },
        'too much from Slack waits: the rest is to be delivered again',
      );
    }
    if (full || this.#underWay < UNDER_WAY_MAX / 2) this.#full = full;
    return !full;
  }

  async #keep(read: () => Promise<InboundMessage>): Promise<boolean> {
    let message: InboundMessage;
    try {
      message = await read();
    } catch (error) {
      // It would be no better the next time.
      this.#events.log.error({ error }, 'something from Slack could not be read; it is passed over');
      return true;
    }
    if (this.#signal.aborted) return false;
    try {
      await this.#events.receive(message);
      this.#position.place(placeOf(message.chat));
      return true;
    } catch (error) {
      const { update } = message;
      this.#events.log.warn({ update, error }, 'a message from Slack could not be kept, and is to be delivered again');
      return false;
    }
  }

  /** Slack delivers a command once only, so whoever gave it is told when it could not be taken. */
  async #command(body: CommandBody): Promise<Taken> {
    const outcome = this.#outcome(body);
    const waited = new AbortController();
    const late = delay(ANSWER_MS, undefined, { signal: waited.signal }).catch(() => undefined);
    const text = await Promise.race([outcome, late]);
    waited.abort();
    if (text !== undefined) return { kept: true, answer: { response_type: 'ephemeral', text } };
    void outcome.then((words) => this.#respond(body.response_url, words));
    return DONE;
  }

  async #outcome(body: CommandBody): Promise<string> {
    // The answer is a message of the bot, which it can write only where it is.
    if (!(await this.#reading.directory.isMember(body.channel_id))) return NOT_HERE;
    const kept = await this.#inOrder(body.channel_id, () => inboundCommand(body, this.#reading));
    return kept ? TAKEN : NOT_TAKEN;
  }

  async #press(body: PressBody): Promise<void> {
    try {
      const press = await inboundPress(body, this.#reading.directory);
      if (press === undefined || this.#signal.aborted) return;
      const text = (await this.#events.press(press)).slice(0, ANSWER_LENGTH_MAX);
      if (text === '' || body.response_url === undefined) return;
      const { ts, thread_ts } = body.message ?? { ts: '' };
      await this.#respond(body.response_url, text, threadOf({ ts, thread_ts }));
    } catch (error) {
      this.#events.log.error({ error }, 'a press at Slack could not be read; it is passed over');
    }
  }

  async #respond(responseUrl: string, text: string, thread?: string): Promise<void> {
    await this.#reading.api.respond(responseUrl, text, thread).catch((error: Error) => {
      this.#events.log.warn({ reason: error.message }, 'whoever acted at Slack could not be answered');
    });
  }
}

interface EventBody {
  readonly team_id?: string;
  readonly event?: unknown;
}

function isMessage(event: unknown): event is MessageEvent {
  const { type, channel, ts } = (event ?? {}) as Partial<MessageEvent>;
  const isTime = typeof ts === 'string' && /^\d{1,12}\.\d{6}$/.test(ts);
  return (type === 'message' || type === 'app_mention') && typeof channel === 'string' && isTime;
}

/** Where history is asked for what was missed. */
function placeOf({ id, thread }: Chat): string {
  return thread === undefined ? id : `${id}/${thread}`;
}
