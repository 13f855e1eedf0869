import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sibling } from '../../shards/sibling.ts';
import type { HostReply, HostRequest, HostSettings } from './host-process.ts';
import type { BrowserJob } from './job.ts';
import { profileFolder, removeProfile } from './profiles.ts';

/** A call that takes longer, in milliseconds, is a sign that the host hangs: it is replaced. Loading a page may take 30 s. */
const CALL_MS = 120_000;
/** Calls that run or wait, of all sessions; more are refused. */
const CALLS_MAX = 256;
/** How long the host may take to close its browsers, in milliseconds. */
const STOP_MS = 6_000;

interface Waiting {
  resolve(value: string): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/** The browser host as the gateway's process sees it: one child process, there while it is needed. */
export class BrowserHost {
  readonly #settings: HostSettings;
  #child: ChildProcess | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #stopped = false;

  constructor(settings: HostSettings) {
    this.#settings = settings;
  }

  /** Throws in words. A cancelled call goes on in its browser, which cannot take back a click; nobody waits for it. */
  handle(job: BrowserJob, signal: AbortSignal): Promise<string> {
    return this.#ask((id) => ({ type: 'job', id, job }), signal);
  }

  /** Closes the browser of a deleted session, and removes its profile. */
  async sessionDeleted(session: string): Promise<void> {
    if (this.#child === undefined) await removeProfile(profileFolder(this.#settings.home, session));
    else await this.#ask((id) => ({ type: 'forget', id, session }), new AbortController().signal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    if (child.connected) child.disconnect();
    await ended;
    clearTimeout(timer);
  }

  #ask(request: (id: number) => HostRequest, signal: AbortSignal): Promise<string> {
    if (this.#stopped) return Promise.reject(new Error('the gateway stops'));
    if (this.#waiting.size >= CALLS_MAX)
      return Promise.reject(new Error('too many calls to the browser: try again later'));
    const id = this.#next;
    this.#next += 1;
    const child = this.#start();
    return new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle(id, new Error('the browser hangs and was ended; open the page again with browser.open'));
        child.kill('SIGKILL');
      }, CALL_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      signal.addEventListener('abort', () => this.#settle(id, new Error('the call was cancelled')), { once: true });
      child.send(request(id), (error) => {
        if (error) this.#settle(id, new Error('the browser host has just ended: try again'));
      });
    });
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = fork(fileURLToPath(sibling('host-process', import.meta.url)), [], {
      execArgv: ['--no-warnings'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // None of the gateway's variables: no key, no proxy.
      env: { PATH: process.env.PATH ?? '' },
    });
    child.on('message', (reply: HostReply) => this.#heed(child, reply));
    child.on('error', () => this.#ended(child));
    child.once('exit', () => this.#ended(child));
    child.send({ type: 'settings', settings: this.#settings } satisfies HostRequest);
    this.#child = child;
    return child;
  }

  #heed(child: ChildProcess, reply: HostReply): void {
    if (reply.type === 'done') this.#settle(reply.id, reply.value);
    else if (reply.type === 'failed') this.#settle(reply.id, new Error(reply.message));
    else if (this.#waiting.size === 0 && this.#child === child) {
      this.#child = undefined;
      child.disconnect();
    }
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const error = new Error('the browser host ended unexpectedly; open the page again with browser.open');
    for (const id of [...this.#waiting.keys()]) this.#settle(id, error);
  }

  #settle(id: number, outcome: string | Error): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (outcome instanceof Error) waiting.reject(outcome);
    else waiting.resolve(outcome);
  }
}
