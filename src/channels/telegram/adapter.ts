/**
 * Telegram, through grammY's client of the Bot API. `connect.ts` has the connections, `polling.ts` or `webhook.ts` gets the
 * updates, `intake.ts` hands them on as `normalize.ts` reads them; `send.ts` sends what `render.ts` made of Markdown.
 */
import type { Account } from '../../config/channels.ts';
import {
  type Adapter,
  type AdapterContext,
  type AdapterEvents,
  type Capabilities,
  ChannelError,
  type Chat,
  type OutboundMessage,
  type Sent,
  type WebhookRequest,
  type WebhookResponse,
} from '../adapter.ts';
import { DOWNLOAD_BYTES_MAX, TelegramClient } from './connect.ts';
import { Intake } from './intake.ts';
import type { RemoteFile } from './normalize.ts';
import { POLLING_TIMES, Polling, type PollingTimes } from './polling.ts';
import { FILE_BYTES_MAX, TEXT_LENGTH_MAX, TelegramSender } from './send.ts';
import { Standing } from './standing.ts';
import { Webhook } from './webhook.ts';

type Settings = Pick<Account<'telegram'>, 'token' | 'webhook' | 'apiUrl' | 'group'>;

const CAPABILITIES: Capabilities = {
  textLengthMax: TEXT_LENGTH_MAX,
  edits: true,
  // A group may get 20 messages a minute, edits included; a DM one a second. The slower holds for both.
  editIntervalMs: 3_000,
  typingMs: 5_000,
  buttons: true,
  fileBytesMax: FILE_BYTES_MAX,
  detectsDuplicates: false,
};

/** One bot. `times` is for tests: real waits are long. */
export function createAdapter(
  settings: Settings,
  context: AdapterContext,
  times: PollingTimes = POLLING_TIMES,
): Adapter {
  return new TelegramAdapter(settings, context, times);
}

class TelegramAdapter implements Adapter {
  readonly capabilities = CAPABILITIES;
  readonly #settings: Settings;
  readonly #times: PollingTimes;
  readonly #client: TelegramClient;
  readonly #sender: TelegramSender;
  readonly #stopping = new AbortController();
  /** Of calls nobody else can give up: they end with the adapter, or with the gateway. */
  readonly #signal: AbortSignal;
  #source: Polling | Webhook | undefined;

  constructor(settings: Settings, { signal }: AdapterContext, times: PollingTimes) {
    this.#settings = settings;
    this.#times = times;
    this.#client = new TelegramClient(settings.token, settings.apiUrl);
    this.#sender = new TelegramSender(this.#client);
    this.#signal = AbortSignal.any([this.#stopping.signal, signal]);
  }

  async start(events: AdapterEvents): Promise<void> {
    const standing = new Standing(events);
    standing.connecting();
    const self = await this.#client.call('getMe', this.#signal, (api, sign) => api.getMe(sign), { repeatable: true });
    if (this.#settings.group === 'all' && !self.can_read_all_group_messages) {
      events.log.warn(
        'the bot has privacy mode on, so in groups Telegram shows it little else than commands and replies',
      );
    }
    const intake = new Intake(this.#client, events, self, (...file) => this.#load(...file), this.#signal);
    await this.#open(events, intake, standing);
  }

  async #open(events: AdapterEvents, intake: Intake, standing: Standing): Promise<void> {
    const { webhook } = this.#settings;
    if (webhook !== undefined) {
      const source = new Webhook(webhook, this.#client, events, intake, standing, this.#times.lookMs);
      await source.start(this.#signal);
      this.#source = source;
      return;
    }
    await this.#client.call('polling', this.#signal, (api, sign) => api.deleteWebhook({}, sign), { repeatable: true });
    const source = new Polling(this.#client, events, intake, standing, this.#times);
    source.start();
    this.#source = source;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#source?.stop();
    this.#client.close();
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

  async typing(chat: Chat): Promise<void> {
    await this.#sender.typing(chat, this.#signal).catch(() => undefined);
  }

  async webhook(request: WebhookRequest): Promise<WebhookResponse> {
    return this.#source instanceof Webhook ? this.#source.answer(request) : { status: 404 };
  }

  /** The content of a file that came. Throws a ChannelError. */
  async #load({ id, bytes = 0 }: RemoteFile, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
    const limit = Math.min(bytesMax, DOWNLOAD_BYTES_MAX);
    const tooLarge = (size: number) =>
      new ChannelError('too_large', `the file has ${size} bytes, and ${limit} are allowed`);
    if (bytes > limit) throw tooLarge(bytes);
    const file = await this.#client.call('a file', signal, (api, sign) => api.getFile({ file_id: id }, sign), {
      repeatable: true,
    });
    if ((file.file_size ?? 0) > limit) throw tooLarge(file.file_size!);
    if (file.file_path === undefined) throw new ChannelError('temporary', 'Telegram does not have the file ready');
    return this.#client.download(file.file_path, limit, signal);
  }
}
