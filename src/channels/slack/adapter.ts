/**
 * Slack, through its own libraries below Bolt (docs/decisions/006-slack-below-bolt.md says why).
 *
 *   Socket Mode ─ connect.ts ─┐
 *                             ├─> intake.ts: a line per channel ─> normalize.ts ─> events.receive · press
 *   HTTP ─────── webhook.ts ──┤                                      └─ directory.ts: names; words.ts: texts
 *   history.ts ─ catch-up.ts ─┘   what was missed, from the position on
 *   send · edit ─> send.ts ─> body.ts ─> render.ts: mrkdwn
 *                     └─> api.ts ─> Web API
 */
import type { Account } from '../../config/channels.ts';
import {
  type Adapter,
  type AdapterContext,
  type AdapterEvents,
  type Capabilities,
  ChannelError,
  type ChannelState,
  type Chat,
  type OutboundMessage,
  type Sent,
  type WebhookRequest,
  type WebhookResponse,
} from '../adapter.ts';
import { Position } from '../position.ts';
import { SlackApi } from './api.ts';
import { AGAIN_MS, CatchUp } from './catch-up.ts';
import type { Connection, Listener } from './connect.ts';
import { Directory } from './directory.ts';
import { TIMES } from './history.ts';
import { Intake } from './intake.ts';
import type { Self } from './normalize.ts';
import { FILE_BYTES_MAX, SlackSender, TEXT_LENGTH_MAX } from './send.ts';
import { LOOK_MS, Webhook } from './webhook.ts';

type SocketMode = typeof import('./connect.ts');
type Settings = Pick<Account<'slack'>, 'botToken' | 'appToken' | 'signingSecret' | 'apiUrl'>;

const CAPABILITIES: Capabilities = {
  textLengthMax: TEXT_LENGTH_MAX,
  edits: true,
  // Slack takes some 50 edits a minute of an app in a workspace, over all chats.
  editIntervalMs: 2_000,
  // What Slack has for this is for apps of another kind ("agents"), and only in threads of their own.
  typingMs: 0,
  buttons: true,
  repliesOpenThreads: true,
  fileBytesMax: FILE_BYTES_MAX,
  // Slack documents no key by which it would know a message again.
  detectsDuplicates: false,
};

/** How often things are looked after: `lookMs` by `Webhook`, `againMs` by `CatchUp`. */
interface Intervals {
  readonly lookMs: number;
  readonly againMs: number;
}

/** An account on Slack. Nothing is connected before `start`. `intervals` are for tests. */
export function createAdapter(
  settings: Settings,
  context: AdapterContext,
  intervals: Intervals = { lookMs: LOOK_MS, againMs: AGAIN_MS },
): Adapter {
  return new SlackAdapter(settings, context, intervals);
}

class SlackAdapter implements Adapter {
  readonly capabilities = CAPABILITIES;
  readonly #settings: Settings;
  readonly #intervals: Intervals;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  readonly #api: SlackApi;
  readonly #sender: SlackSender;
  readonly #position: Position;
  #catchUp: CatchUp | undefined;
  #events: AdapterEvents | undefined;
  #source: Connection | Webhook | undefined;
  #opened = false;
  /** The account was there before; else nothing was missed when it starts. */
  #isKnown = false;
  #told = '';

  constructor(settings: Settings, { folder, log, signal }: AdapterContext, intervals: Intervals) {
    const { botToken, appToken, signingSecret, apiUrl } = settings;
    this.#settings = settings;
    this.#intervals = intervals;
    this.#signal = AbortSignal.any([this.#stopping.signal, signal]);
    const others = [appToken, signingSecret].filter((secret) => secret !== undefined);
    this.#api = new SlackApi([botToken, ...others], apiUrl, this.#signal, (error) => this.#refused(error));
    this.#sender = new SlackSender(this.#api, this.#signal);
    this.#position = new Position(folder, TIMES, log);
  }

  async start(events: AdapterEvents): Promise<void> {
    this.#events = events;
    this.#state('connecting', 'connecting to Slack');
    // The library for Socket Mode costs 15 MB: it is loaded where it is used, while Slack is asked.
    const loading = this.#settings.appToken === undefined ? undefined : import('./connect.ts');
    const [self, socketMode] = await Promise.all([this.#introduce(), loading]);
    this.#isKnown = await this.#position.load(self.user);
    const reading = { self, directory: new Directory(this.#api, events.log), api: this.#api };
    const intake = new Intake(reading, events, this.#position, this.#signal);
    this.#source = this.#sourceOf(events, intake, socketMode);
    this.#catchUp = new CatchUp(this.#api, this.#position, intake, events.log, this.#intervals.againMs);
    await this.#source.open();
    this.#opened = true;
  }

  async #introduce(): Promise<Self> {
    const { user_id, bot_id, team_id } = await this.#askWho();
    if (user_id === undefined || bot_id === undefined || team_id === undefined) {
      throw new ChannelError(
        'rejected',
        'the botToken is no bot’s: set the Bot User OAuth Token (xoxb-…) of api.slack.com/apps > your app > OAuth & Permissions',
      );
    }
    return { user: user_id, bot: bot_id, team: team_id };
  }

  #askWho() {
    return this.#api.call('its name', this.#signal, (web) => web.auth.test(), { repeatable: true });
  }

  #sourceOf(events: AdapterEvents, intake: Intake, socketMode: SocketMode | undefined): Connection | Webhook {
    const { appToken = '', signingSecret = '' } = this.#settings;
    const listener: Listener = {
      state: (state, reason) => this.#state(state, reason),
      alive: () => events.alive(),
      take: (delivery) => intake.take(delivery),
    };
    if (socketMode) return new socketMode.Connection(appToken, this.#api, listener, events.log);
    return new Webhook(signingSecret, listener, () => this.#askWho(), this.#intervals.lookMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#catchUp?.stop();
    await this.#source?.close();
    await this.#position.close();
    this.#api.close();
  }

  send(message: OutboundMessage, signal: AbortSignal): Promise<Sent> {
    return this.#sender.send(message, signal);
  }

  edit(
    chat: Chat,
    message: string,
    text: string,
    buttons: OutboundMessage['buttons'],
    signal: AbortSignal,
  ): Promise<void> {
    return this.#sender.edit(chat, message, text, buttons, signal);
  }

  async webhook(request: WebhookRequest): Promise<WebhookResponse> {
    return this.#source !== undefined && 'answer' in this.#source ? this.#source.answer(request) : { status: 404 };
  }

  /** Slack refuses the bot token. Before it is connected, `start` throws it. */
  #refused({ message }: ChannelError): void {
    if (this.#opened) this.#state('logged-out', message);
    void this.#source?.close();
  }

  /** Told when it changes. Once logged out, it is: several calls may find it out. */
  #state(state: ChannelState, reason?: string): void {
    const told = `${state} ${reason ?? ''}`;
    if (this.#stopping.signal.aborted || told === this.#told || this.#told.startsWith('logged-out')) return;
    this.#told = told;
    this.#events?.state(state, reason);
    if (state === 'ready' && (this.#opened || this.#isKnown)) this.#catchUp?.begin();
  }
}
