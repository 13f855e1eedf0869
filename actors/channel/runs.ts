/**
 * The runs that answer messages of channels, followed from their events: somebody is typing while one goes on, and what it
 * says is shown as it comes. What is shown is no more than a preview: the answer goes through the outbox.
 */
import type { SessionEvent } from '../../src/channels/shard-client.ts';
import type { AskedChat, Questions } from './questions.ts';

/** A run whose end never came, such as one of a shard that died, is forgotten after this long. */
const RUN_MS_MAX = 15 * 60_000;
/** What showed a run that has ended waits this long to be made its answer, which may have to wait behind others. */
const TAKE_MS_MAX = 60_000;
/** Messages that are followed at the same time; of one more only the answer is shown. */
const MESSAGES_MAX = 10_000;

/** Shows one run in one chat: a LiveAnswer. */
export interface Show {
  delta(text: string): void;
  /** What follows is said after tools were called. */
  turn(): void;
  /** The run has ended; its answer may follow. */
  seal(): Promise<unknown>;
  /** There is no answer. */
  abandon(): Promise<void>;
}

/** Who asked, and how to show it. */
export interface Asked extends AskedChat {
  /** The account and chat: a run that answers two messages of one chat is shown once. */
  place: string;
  /** Undefined: it cannot be shown now. */
  begin(): Show | undefined;
}

interface Followed {
  session: string;
  asked: Asked;
  /** The run that answers it; another one after a crash. */
  run?: string;
}

interface Run {
  shows: Map<string, Show>;
  /** Where its questions are asked, by place. */
  chats: Map<string, AskedChat>;
  /** Ids of the messages that it answers and that have not ended. */
  messages: Set<string>;
  timer: NodeJS.Timeout;
}

export class Runs {
  readonly #unsubscribe: (session: string) => void;
  readonly #questions: Pick<Questions, 'ask' | 'resolved'>;
  readonly #messages = new Map<string, Followed>();
  /** How many messages of each session are followed, or on their way to it. */
  readonly #sessions = new Map<string, number>();
  readonly #runs = new Map<string, Run>();

  constructor(unsubscribe: (session: string) => void, questions: Pick<Questions, 'ask' | 'resolved'>) {
    this.#unsubscribe = unsubscribe;
    this.#questions = questions;
  }

  /** A message is on its way to the session: its events are about to come. */
  expect(session: string): void {
    this.#sessions.set(session, (this.#sessions.get(session) ?? 0) + 1);
  }

  /** It was accepted as `message`; undefined: it was not, or needs no run. */
  follow(session: string, message: string | undefined, asked: Asked): void {
    if (message !== undefined && this.#messages.size < MESSAGES_MAX) this.#messages.set(message, { session, asked });
    else this.#leave(session);
  }

  /** Takes what shows `run` in a chat, to be made the answer. */
  take<S extends Show>(run: string, place: string): S | undefined {
    const followed = this.#runs.get(run);
    const show = followed?.shows.get(place);
    followed?.shows.delete(place);
    if (followed?.shows.size === 0 && followed.messages.size === 0) this.#forget(run);
    return show as S | undefined;
  }

  event({ type, data }: SessionEvent): void {
    switch (type) {
      case 'run.start':
        this.#start(data.run, data.message);
        return;
      case 'message.delta':
        for (const show of this.#runs.get(data.run)?.shows.values() ?? []) show.delta(data.text);
        return;
      case 'tool.start':
        if (data.parent !== undefined) return; // of a program: the turn has ended already
        for (const show of this.#runs.get(data.run)?.shows.values() ?? []) show.turn();
        return;
      case 'approval.requested':
        this.#questions.ask(data, [...(this.#runs.get(data.run)?.chats.values() ?? [])]);
        return;
      case 'approval.resolved':
        this.#questions.resolved(data.approval, data);
        return;
      case 'run.end':
        this.#end(data.run, data.message, data.status === 'cancelled');
    }
  }

  #start(id: string, message: string): void {
    const followed = this.#messages.get(message);
    if (followed === undefined) return;
    let run = this.#runs.get(id);
    if (run === undefined) {
      const timer = setTimeout(() => this.#forget(id), RUN_MS_MAX).unref();
      run = { shows: new Map(), chats: new Map(), messages: new Set(), timer };
      this.#runs.set(id, run);
    }
    this.#left(followed, message, id);
    followed.run = id;
    run.messages.add(message);
    const { asked } = followed;
    run.chats.set(asked.place, asked);
    const show = run.shows.has(asked.place) ? undefined : asked.begin();
    if (show !== undefined) run.shows.set(asked.place, show);
  }

  /** The message is not answered by the run it had, which may have died: by another, or by none. */
  #left(followed: Followed, message: string, now: string): void {
    const before = followed.run === undefined || followed.run === now ? undefined : this.#runs.get(followed.run);
    before?.messages.delete(message);
    if (before?.messages.size === 0) this.#forget(followed.run as string);
  }

  #end(id: string, message: string, cancelled: boolean): void {
    const followed = this.#messages.get(message);
    if (followed === undefined) return;
    this.#left(followed, message, id);
    this.#messages.delete(message);
    this.#leave(followed.session);
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.messages.delete(message);
    if (run.messages.size > 0) return;
    for (const show of run.shows.values()) void show.seal();
    clearTimeout(run.timer);
    if (cancelled || run.shows.size === 0) this.#forget(id);
    else run.timer = setTimeout(() => this.#forget(id), TAKE_MS_MAX).unref();
  }

  #forget(id: string): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    clearTimeout(run.timer);
    this.#runs.delete(id);
    for (const show of run.shows.values()) void show.abandon();
    for (const message of run.messages) {
      const session = this.#messages.get(message)?.session;
      this.#messages.delete(message);
      if (session !== undefined) this.#leave(session);
    }
  }

  #leave(session: string): void {
    const left = (this.#sessions.get(session) ?? 1) - 1;
    if (left > 0) {
      this.#sessions.set(session, left);
      return;
    }
    this.#sessions.delete(session);
    this.#unsubscribe(session);
  }
}
