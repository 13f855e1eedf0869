/**
 * The browser host: a process of its own, one for the whole gateway, started with the first call and ended when no browser has been
 * open for a while. Playwright is loaded here and nowhere else.
 */
import { NetworkRules, type NetworkSettings } from '../web/network.ts';
import { BrowserDesk } from './desk.ts';
import type { BrowserJob, BrowserSettings } from './job.ts';

/** How long it stays without a browser, in milliseconds: starting it takes half a second. */
const LINGER_MS = 30_000;
/** How long it may take to close its browsers, in milliseconds. */
const CLOSE_MS = 5_000;

export interface HostSettings {
  home: string;
  network: NetworkSettings;
  browser: BrowserSettings;
}

export type HostRequest =
  | { type: 'settings'; settings: HostSettings }
  | { type: 'job'; id: number; job: BrowserJob }
  | { type: 'forget'; id: number; session: string };

/** `idle`: it would end now; the gateway answers by ending it, unless it has a job for it on the way. */
export type HostReply =
  | { type: 'done'; id: number; value: string }
  | { type: 'failed'; id: number; message: string }
  | { type: 'idle' };

let desk: BrowserDesk | undefined;
let linger: NodeJS.Timeout | undefined;

process.on('message', (request: HostRequest) => {
  if (request.type === 'settings') {
    const { home, network, browser } = request.settings;
    desk = new BrowserDesk(home, browser, new NetworkRules(network), lingerOn);
    return;
  }
  clearTimeout(linger);
  void answer(request);
});
// The gateway is gone, however it went.
process.on('disconnect', () => void end());
process.on('SIGTERM', () => void end());
// Ctrl-C reaches the whole group; the gateway says when it is time.
process.on('SIGINT', () => {});

async function answer(request: Exclude<HostRequest, { type: 'settings' }>): Promise<void> {
  const { id } = request;
  try {
    if (desk === undefined) throw new Error('the browser host was not told its settings');
    const value = request.type === 'job' ? await desk.handle(request.job) : await desk.forget(request.session);
    tell({ type: 'done', id, value: value ?? '' });
  } catch (error) {
    tell({ type: 'failed', id, message: error instanceof Error ? error.message : String(error) });
  }
  if (desk?.size === 0) lingerOn();
}

function lingerOn(): void {
  clearTimeout(linger);
  linger = setTimeout(() => tell({ type: 'idle' }), LINGER_MS);
}

function tell(reply: HostReply): void {
  if (process.connected) process.send?.(reply);
}

async function end(): Promise<void> {
  setTimeout(() => process.exit(), CLOSE_MS).unref();
  await desk?.close();
  process.exit();
}
