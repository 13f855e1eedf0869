/** What a session has to tell on channels: put into the outbox by the commit that ends a turn, announced after it. */
import type { DhaavakError, ErrorCode } from '../../src/protocol/errors.ts';
import type { Delivery, HistoryEntry, MessageOrigin, RunStatus } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import { laneOf, type OutboxKey, type OutboxRecord } from '../../src/storage/outbox.ts';
import type { SessionControl } from './control.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Turn } from './turn.ts';

/** What is told where a run did not end well, by the code of its error. The log and `run.end` have the details. */
const NOTICES: Partial<Record<ErrorCode, string>> = {
  model_unavailable: 'I cannot reach my language model just now. Please try again in a few minutes.',
  model_stalled: 'My language model stopped in the middle of its answer. Please try again.',
  model_rejected: 'My language model refused this request. Whoever runs me can see why in the log.',
  model_limit: 'This took more steps than I may take at once. Please ask for less.',
  budget_exceeded: 'My limit for today is used up. It starts anew at midnight UTC.',
  deadline_exceeded: 'This took too long, so I stopped. Please ask for less at once.',
  storage_failed: 'I could not save the answer. Whoever runs me should look at the disk.',
};
const NOTICE = 'Something went wrong on my side, and there is no answer. Whoever runs me can see why in the log.';
const FULL: Delivery = { status: 'failed', reason: 'too many answers wait to be sent to this chat' };

/** How a turn ended. */
interface TurnEnd {
  status: RunStatus;
  text?: string;
  error?: Pick<DhaavakError, 'code'> | undefined;
}

/** What is to be sent to the chat of `origin`. */
interface Answer extends Pick<OutboxRecord, 'text' | 'run' | 'entry'> {
  origin: MessageOrigin;
  message: string;
  /** It is no reply to the message of its origin. */
  unasked?: true;
}

/** Puts what is to be sent into a commit, and tells when that is on the disk. */
export interface Outgoing {
  write(batch: Batch): void;
  announce(): void;
}

const NOTHING: Outgoing = { write() {}, announce() {} };

export class OutgoingAnswers {
  readonly #events: EventStream;
  readonly #shared: SessionDependencies;

  constructor(events: EventStream, shared: SessionDependencies) {
    this.#events = events;
    this.#shared = shared;
  }

  /**
   * The end of `turns`, which one run answers: each chat they came from is told once, as a reply to the last of them. What
   * somebody cancelled needs no words. `entries`: what the run adds to the transcript.
   */
  ofRun(turns: readonly Turn[], end: TurnEnd, run?: string, entries: readonly HistoryEntry[] = []): Outgoing {
    const last = new Map<string, Turn & { origin: MessageOrigin }>();
    for (const turn of turns)
      if (hasOrigin(turn)) last.set(`${addressOf(turn.origin)} ${laneOf(turn.origin.chat)}`, turn);
    const text = last.size === 0 ? '' : wordsOf(end);
    if (text === '') return NOTHING;
    const entry = entries.findLast(({ role }) => role === 'assistant')?.seq;
    const details = { ...(run === undefined ? {} : { run }), ...(entry === undefined ? {} : { entry }) };
    return this.#of(
      [...last.values()].map(({ origin, message, source }) => {
        // What no person said is not replied to: its origin only says where the answer goes.
        const replies = source === undefined ? {} : { unasked: true as const };
        return { origin, message, text, ...details, ...replies };
      }),
    );
  }

  /** The answer to a command, if a channel brought it. */
  ofCommand(origin: MessageOrigin | undefined, message: string, text: string): Outgoing {
    return origin === undefined ? NOTHING : this.#of([{ origin, message, text }]);
  }

  #of(answers: readonly Answer[]) {
    const { store, newId, poke, log } = this.#shared;
    const createdAt = Date.now();
    const records = answers.map(({ origin, message, unasked, ...rest }) => {
      const key: OutboxKey = [addressOf(origin), laneOf(origin.chat), newId()];
      const { chat, message: replyTo } = origin;
      const record: OutboxRecord = {
        chat,
        ...(unasked ? {} : { replyTo }),
        createdAt,
        sent: [],
        session: this.#events.session,
        message,
        ...rest,
      };
      return { key, record, origin, fits: store.outbox.hasRoom(key[0], key[1]) };
    });
    return {
      write: (batch: Batch) => {
        for (const { key, record, origin, fits } of records) {
          if (fits) store.outbox.put(batch, key, record);
          else store.outbox.bury(batch, key[2], { ...placeOf(origin), ...FULL, at: createdAt, ...idsOf(record) });
        }
      },
      announce: () => {
        for (const { key, record, origin, fits } of records) {
          if (fits) poke(key);
          else {
            log.error({ session: record.session, message: record.message, channel: key[0] }, FULL.reason);
            this.delivered(record.message as string, origin, FULL);
          }
        }
      },
    };
  }

  /** Tells whoever watches the session that an answer did not reach its channel, or may not have. */
  delivered(
    message: string,
    { channel, account }: Pick<MessageOrigin, 'channel' | 'account'>,
    delivery: Delivery,
  ): void {
    const { status, reason } = delivery;
    this.#events.publish('message.delivery', { message, channel, account, status, reason });
  }

  /** The same, and the transcript says so too. Throws `storage_failed`. */
  async mark({ message, place, delivery, seq }: SessionControl & { type: 'delivery' }): Promise<undefined> {
    const { store } = this.#shared;
    const entry = seq === undefined ? undefined : store.entries.get([this.#events.session, seq]);
    if (entry !== undefined) {
      await store.journal.commit((batch) => {
        batch.put(store.entries, [this.#events.session, entry.seq], { ...entry, delivery });
      });
    }
    this.delivered(message, place, delivery);
    return undefined;
  }
}

function hasOrigin(turn: Turn): turn is Turn & { origin: MessageOrigin } {
  return turn.origin !== undefined;
}

/** The account, as the outbox and the channel actors name it. */
function addressOf({ channel, account }: MessageOrigin): string {
  return `${channel}:${account}`;
}

function placeOf({ channel, account, chat }: MessageOrigin) {
  return { channel, account, chat: laneOf(chat) };
}

function idsOf({ session, message }: OutboxRecord) {
  return { ...(session === undefined ? {} : { session }), ...(message === undefined ? {} : { message }) };
}

/** What a person is told of the end of a run; what was written until a failure comes first. Empty: nothing. */
function wordsOf({ status, text = '', error }: TurnEnd): string {
  if (status === 'ok') return text.trim();
  if (status === 'cancelled') return '';
  const notice = (error && NOTICES[error.code]) ?? NOTICE;
  return text.trim() === '' ? notice : `${text.trimEnd()}\n\n${notice}`;
}
