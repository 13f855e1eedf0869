import type { BrowserContext, Page } from 'playwright-core';
import type { NetworkRules } from '../web/network.ts';
import { act, settle } from './actions.ts';
import { findChromium, startChromium } from './chromium.ts';
import type { BrowserJob, BrowserSettings } from './job.ts';
import { memoryMbOf } from './memory.ts';
import { BrowserProxy } from './proxy.ts';

/** How often it is looked how much memory the browser takes, in milliseconds. */
const MEMORY_LOOK_MS = 5_000;
/** How long a browser may take to close before its session goes on without waiting, in milliseconds. */
const CLOSE_MS = 5_000;

/** What a page may be: `about:blank` is where a new one begins, the last is Chromium's own error page. */
const PAGE = /^(https?:|about:blank$|blob:https?:|chrome-error:)/;
/** What may be in a frame of it besides: its own text, in one form or another. Empty: it is just being made. */
const FRAME = /^($|about:|data:|blob:)/;

/** The browser of one session: a Chromium with a profile and a proxy of its own. Its actions come one after the other. */
export class BrowserSession {
  readonly #context: BrowserContext;
  readonly #proxy: BrowserProxy;
  readonly #rules: NetworkRules;
  readonly #settings: BrowserSettings;
  readonly #memoryLook: NodeJS.Timeout;
  readonly #onClosed: () => void;
  #current: Page | undefined;
  #closed: string | undefined;
  #closing: Promise<unknown> | undefined;
  /** Dialogs the page has opened and we have closed, refused downloads: told with the next answer. */
  #notes: string[] = [];

  private constructor(
    context: BrowserContext,
    proxy: BrowserProxy,
    parts: { rules: NetworkRules; settings: BrowserSettings; folder: string; onClosed: () => void },
  ) {
    this.#context = context;
    this.#proxy = proxy;
    this.#rules = parts.rules;
    this.#settings = parts.settings;
    this.#onClosed = parts.onClosed;
    for (const page of context.pages()) this.#take(page);
    context.on('page', (page) => this.#take(page));
    context.on('close', () => this.#end('the browser ended unexpectedly'));
    this.#memoryLook = setInterval(() => void this.#checkMemory(parts.folder), MEMORY_LOOK_MS);
  }

  /** Starts one. Throws in words what is missing. */
  static async start(
    folder: string,
    settings: BrowserSettings,
    rules: NetworkRules,
    onClosed: () => void,
  ): Promise<BrowserSession> {
    const executable = await findChromium(settings.executable);
    const proxy = await BrowserProxy.start(rules);
    try {
      const context = await startChromium(executable, folder, proxy.url);
      return new BrowserSession(context, proxy, { rules, settings, folder, onClosed });
    } catch (error) {
      proxy.stop();
      throw error;
    }
  }

  /** Why it is there no longer; undefined: it is. */
  get closed(): string | undefined {
    return this.#closed;
  }

  /** Does what a call asks for, and says what there is to see then. Throws in words. */
  async act({ action, ...caller }: BrowserJob): Promise<string> {
    this.#proxy.takeRefusals();
    const page = await this.#pageFor(action);
    try {
      const told = await act(page, action, {
        rules: this.#rules,
        caller,
        screenshotsMax: this.#settings.screenshotsMax,
      });
      this.#checkShown();
      return [...(await this.#heading()), ...this.#takeNotes(), '', told].join('\n').trim();
    } catch (error) {
      if (this.#closed !== undefined) throw new Error(`${this.#closed}; open the page again with browser.open`);
      throw this.#withRefusals(error);
    }
  }

  /** Ends it, if it is not ended, and waits until Chromium is gone. */
  close(why: string): Promise<unknown> {
    this.#end(why);
    const limit = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    this.#closing ??= Promise.race([this.#context.close().catch(() => undefined), limit]);
    return this.#closing;
  }

  /** The page an action is for: a new one, one by its number, or the current one. */
  async #pageFor(action: BrowserJob['action']): Promise<Page> {
    const pages = this.#context.pages();
    if (action.do === 'read' && action.page !== undefined) {
      const page = pages[action.page - 1];
      if (page === undefined) throw new Error(`there is no page ${action.page}: there are ${pages.length}`);
      this.#current = page;
    } else if (action.do === 'open' && (action.newPage || this.#current === undefined)) {
      const blank = pages.find((page) => page.url() === 'about:blank');
      if (blank === undefined && pages.length >= this.#settings.pagesMax) throw this.#tooMany();
      this.#current = blank ?? (await this.#context.newPage());
    }
    if (this.#current === undefined) throw new Error('no page is open: open one with browser.open');
    return this.#current;
  }

  /** Sees to a page that was opened, by us or by another page. */
  #take(page: Page): void {
    if (this.#context.pages().length > this.#settings.pagesMax) {
      this.#notes.push(`A page that was opened was closed again. ${this.#tooMany().message}.`);
      void page.close().catch(() => undefined);
      return;
    }
    this.#current = page;
    page.on('dialog', (dialog) => {
      this.#notes.push(
        `The page showed a dialog, which was dismissed: ${JSON.stringify(dialog.message().slice(0, 200))}.`,
      );
      void dialog.dismiss().catch(() => undefined);
    });
    page.on('download', (download) => {
      this.#notes.push('The page started a download, which was refused.');
      void download.cancel().catch(() => undefined);
    });
    page.on('crash', () => {
      this.#notes.push('A page crashed and was closed.');
      void page.close().catch(() => undefined);
    });
    page.once('close', () => {
      if (this.#current === page) this.#current = this.#context.pages().at(-1);
    });
  }

  /**
   * Files and the browser's own pages come through no proxy. Chromium lets no page go there, and browser.open neither; should
   * one be there all the same, it is not shown.
   */
  #checkShown(): void {
    for (const page of this.#context.pages()) {
      const main = page.mainFrame();
      const fine = page
        .frames()
        .every((frame) => PAGE.test(frame.url()) || (frame !== main && FRAME.test(frame.url())));
      if (fine) continue;
      void page.close().catch(() => undefined);
      throw new Error('the page went where no page may go, and was closed: open another one with browser.open');
    }
  }

  async #heading(): Promise<string[]> {
    const page = this.#current;
    if (page === undefined) return [];
    await settle(page);
    const pages = this.#context.pages();
    const number = pages.length > 1 ? `, page ${pages.indexOf(page) + 1} of ${pages.length}` : '';
    return [`Page: ${(await page.title()).slice(0, 200)} — ${page.url().slice(0, 500)}${number}`];
  }

  #takeNotes(): string[] {
    const refused = this.#proxy.takeRefusals().map((reason) => `Not loaded: ${reason}.`);
    const notes = [...this.#notes, ...refused];
    this.#notes = [];
    return notes.slice(0, 10);
  }

  /** What a page could not load, where Chromium says only that it could not. */
  #withRefusals(error: unknown): unknown {
    const [refused] = this.#proxy.takeRefusals();
    return refused !== undefined && error instanceof Error && /ERR_TUNNEL|ERR_HTTP_RESPONSE_CODE/.test(error.message)
      ? new Error(refused)
      : error;
  }

  #tooMany(): Error {
    return new Error(`at most ${this.#settings.pagesMax} pages may be open: close the browser or use the current page`);
  }

  async #checkMemory(folder: string): Promise<void> {
    const { memoryMbMax } = this.#settings;
    const usedMb = await memoryMbOf(folder).catch(() => undefined);
    if (usedMb === undefined || usedMb <= memoryMbMax || this.#closed !== undefined) return;
    await this.close(`the browser was closed: it took more than ${memoryMbMax} MB of memory`);
  }

  #end(why: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    clearInterval(this.#memoryLook);
    this.#proxy.stop();
    this.#onClosed();
  }
}
