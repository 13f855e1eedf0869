import type { NetworkRules } from '../web/network.ts';
import type { BrowserJob, BrowserSettings } from './job.ts';
import { openProfile, profileFolder, removeProfile } from './profiles.ts';
import { BrowserSession } from './session.ts';

/** Calls of one session that may wait for the one before. */
const WAITING_MAX = 16;

interface Place {
  /** Undefined: there is none, or it has ended. */
  browser: BrowserSession | undefined;
  /** The end of the last call. */
  last: Promise<unknown>;
  /** Calls that run or wait. */
  calls: number;
  idle: NodeJS.Timeout | undefined;
}

/** The browsers of all sessions: started when a page is opened, closed when nobody has used them for a while. */
export class BrowserDesk {
  readonly #home: string;
  readonly #settings: BrowserSettings;
  readonly #rules: NetworkRules;
  readonly #places = new Map<string, Place>();
  readonly #onEmpty: () => void;

  /** `onEmpty` is called when no browser is left. */
  constructor(home: string, settings: BrowserSettings, rules: NetworkRules, onEmpty: () => void) {
    this.#home = home;
    this.#settings = settings;
    this.#rules = rules;
    this.#onEmpty = onEmpty;
  }

  /** Sessions whose browser is open, or that wait for one. */
  get size(): number {
    return [...this.#places.values()].filter(({ browser, calls }) => calls > 0 || isOpen(browser)).length;
  }

  /** What to tell the model. Calls of one session come one after the other. Throws in words. */
  async handle(job: BrowserJob): Promise<string> {
    const place = this.#placeOf(job.session);
    if (place.calls > WAITING_MAX) throw new Error('too many calls to the browser wait: make them one after the other');
    clearTimeout(place.idle);
    place.calls += 1;
    const answer = place.last.then(() => this.#act(job, place));
    place.last = answer.catch(() => undefined);
    try {
      return await answer;
    } finally {
      place.calls -= 1;
      if (place.calls === 0) this.#rest(job.session, place);
    }
  }

  /** Closes the browser of a session that was deleted, and removes what its pages have kept. */
  async forget(session: string): Promise<void> {
    const place = this.#placeOf(session);
    clearTimeout(place.idle);
    const removal = Promise.all([place.last, place.browser?.close('the session was deleted')]).then(() =>
      removeProfile(profileFolder(this.#home, session)),
    );
    // A session made anew under the key comes after it.
    place.last = removal.catch(() => undefined);
    await removal;
    if (place.calls === 0) this.#places.delete(session);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#places.values()].map(({ browser }) => browser?.close('the gateway stops')));
  }

  async #act(job: BrowserJob, place: Place): Promise<string> {
    const { action, session } = job;
    if (action.do === 'close') {
      await place.browser?.close('the browser was closed');
      return 'The browser is closed. Logins and other state of its pages are kept.';
    }
    const ended = place.browser?.closed;
    if (place.browser === undefined || ended !== undefined) {
      // Two Chromiums must not have one profile.
      await place.browser?.close('');
      place.browser = undefined;
      if (action.do !== 'open') {
        throw new Error(`${ended ?? 'no page is open'}: open one with browser.open`);
      }
      // Before a browser is started for nothing.
      this.#rules.parse(action.url);
      place.browser = await this.#start(session);
    }
    return place.browser.act(job);
  }

  async #start(session: string): Promise<BrowserSession> {
    const { sessionsMax, profilesMax } = this.#settings;
    const open = [...this.#places].filter(([, { browser }]) => isOpen(browser));
    if (open.length >= sessionsMax) await this.#makeRoom(open);
    const folder = profileFolder(this.#home, session);
    const inUse = new Set(open.map(([key]) => profileFolder(this.#home, key)));
    await openProfile(folder, profilesMax, inUse);
    return BrowserSession.start(folder, this.#settings, this.#rules, () => this.#checkEmpty());
  }

  /** Closes the browser that has been idle for longest: the map has those that were used last at its end. */
  async #makeRoom(open: readonly (readonly [string, Place])[]): Promise<void> {
    const idle = open.find(([, { calls }]) => calls === 0);
    if (idle === undefined) {
      throw new Error(`all ${this.#settings.sessionsMax} browsers are in use by other sessions: try again later`);
    }
    await idle[1].browser?.close('the browser was closed to make room for another session');
  }

  #placeOf(session: string): Place {
    const place = this.#places.get(session) ?? {
      browser: undefined,
      last: Promise.resolve(),
      calls: 0,
      idle: undefined,
    };
    this.#places.delete(session);
    this.#places.set(session, place);
    return place;
  }

  #rest(session: string, place: Place): void {
    if (!isOpen(place.browser)) {
      // Why it ended is told to the next call, once.
      if (place.browser === undefined) this.#places.delete(session);
      this.#checkEmpty();
      return;
    }
    place.idle = setTimeout(() => {
      const minutes = Math.round(this.#settings.idleMs / 60_000);
      void place.browser?.close(`the browser was closed after ${minutes} min without use`);
    }, this.#settings.idleMs);
  }

  #checkEmpty(): void {
    if (this.size === 0) this.#onEmpty();
  }
}

function isOpen(browser: BrowserSession | undefined): boolean {
  return browser !== undefined && browser.closed === undefined;
}
