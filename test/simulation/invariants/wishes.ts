import type { Config } from '../../../src/config/schema.ts';
import { tokenIn } from '../token.ts';

/** What a request says, as far as it matters here. */
export interface Asked {
  session?: string;
  text?: string;
  mode?: string;
  after?: number;
  epoch?: string;
  followUp?: string | null;
}

type Wish = 'withdraw' | 'reset' | 'delete';

/** What requests of these types ask for, and chat commands of these names. */
const WISHES: Readonly<Record<string, readonly Wish[]>> = {
  'message.cancel': ['withdraw'],
  'session.reset': ['withdraw', 'reset'],
  'session.delete': ['withdraw', 'delete'],
  '/stop': ['withdraw'],
  '/new': ['withdraw', 'reset'],
  '/reset': ['withdraw', 'reset'],
};

/** When people asked for something by which a message may end without an answer, or be forgotten. Times are steps. */
export class Wishes {
  readonly #settings: Config['sessions'];
  readonly #step: () => number;
  /** By the wish and its session: when it was made last. */
  readonly #last = new Map<string, number>();
  /** By token: when the message came first. */
  readonly #came = new Map<string, number>();
  /** By session: the modes a message may have that names none. */
  readonly #modes = new Map<string, Set<string>>();

  constructor(settings: Config['sessions'], step: () => number) {
    this.#settings = settings;
    this.#step = step;
  }

  /** A request arrives. */
  heard(session: string, type: string, { text = '', mode, followUp }: Asked): void {
    const token = tokenIn(text)?.token;
    if (token !== undefined && !this.#came.has(token)) this.#came.set(token, this.#step());
    for (const wish of WISHES[type] ?? WISHES[text] ?? []) this.#last.set(`${wish} ${session}`, this.#step());
    const modes = this.#modes.get(session) ?? new Set([this.#settings.followUp]);
    this.#modes.set(session, modes.add(followUp ?? this.#settings.followUp));
    const may = (which: string) => (mode === undefined ? modes.has(which as 'steer') : mode === which);
    const makesRoom = may('collect') && this.#settings.overflow === 'old';
    if (type === 'message.send' && (may('interrupt') || makesRoom)) {
      this.#last.set(`withdraw ${session}`, this.#step());
    }
  }

  /** When the message of this token came first. */
  came(token: string): number {
    return this.#came.get(token) ?? 0;
  }

  /** Whether somebody has asked for this since then. */
  since(step: number, wish: Wish, session: string): boolean {
    return (this.#last.get(`${wish} ${session}`) ?? -1) >= step;
  }
}
