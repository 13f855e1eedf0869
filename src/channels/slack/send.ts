/** Messages to Slack: texts, files, edits. Each is tried once. */
import { setTimeout as delay } from 'node:timers/promises';
import type { FilesCompleteUploadExternalArguments, FilesInfoResponse } from '@slack/web-api';
import { ChannelError, type Chat, type OutboundAttachment, type OutboundMessage, type Sent } from '../adapter.ts';
import type { SlackApi } from './api.ts';
import type { Body } from './body.ts';
import { Lookup } from './lookup.ts';

/** Longest Markdown of one message, in UTF-16 code units: what Slack recommends. */
export const TEXT_LENGTH_MAX = 4_000;
/** Largest file, in bytes. Slack takes 1 GB; this is what is held in memory for one. */
export const FILE_BYTES_MAX = 50 * 1024 * 1024;
/** Pauses before each look for the message that a file became, in milliseconds: Slack makes it a while later. */
const LOOKS_MS = [0, 200, 400, 800, 1_600];
const TIME = /^\d+\.\d+$/;
/** Model output is nobody's link to open: a page that Slack fetches for a preview learns what is in its address. */
const NO_PREVIEWS = { unfurl_links: false, unfurl_media: false };

export class SlackSender {
  readonly #api: SlackApi;
  /** DMs by the person's id. */
  readonly #dms: Lookup<string>;

  constructor(api: SlackApi, signal: AbortSignal) {
    this.#api = api;
    const open = async (users: string): Promise<string> => {
      const { channel } = await api.call('a DM', signal, (web) => web.conversations.open({ users }), {
        repeatable: true,
      });
      return channel?.id ?? users;
    };
    // What does not open is refused when it is sent to, with the reason.
    this.#dms = new Lookup(open, () => undefined);
  }

  /** Throws a ChannelError. */
  async send(message: OutboundMessage, signal: AbortSignal): Promise<Sent> {
    const { chat, attachment, replyTo, buttons } = message;
    const text = [message.text, attachment?.caption ?? ''].filter((part) => part !== '').join('\n\n');
    checkLength(text);
    const body = await bodyOf(text, buttons);
    const thread = chat.thread ?? (replyTo !== undefined && TIME.test(replyTo) ? replyTo : undefined);
    const place = { channel: await this.#channelOf(chat), ...(thread === undefined ? {} : { thread_ts: thread }) };
    if (attachment !== undefined) return this.#sendFile(place, attachment, text === '' ? undefined : body, signal);
    const blocks = body.blocks.length === 0 ? {} : { blocks: body.blocks };
    const { ts } = await this.#api.call('a message', signal, (web) =>
      web.chat.postMessage({ ...place, ...NO_PREVIEWS, ...blocks, text: body.text }),
    );
    if (ts === undefined) throw new ChannelError('unknown', 'Slack took a message and gave it no id');
    return { message: ts };
  }

  /** Throws a ChannelError. */
  async edit(
    chat: Chat,
    message: string,
    markdown: string,
    buttons: OutboundMessage['buttons'],
    signal: AbortSignal,
  ): Promise<void> {
    checkLength(markdown);
    const { text, blocks } = await bodyOf(markdown, buttons);
    const channel = await this.#channelOf(chat);
    await this.#api.call('an edit', signal, (web) => web.chat.update({ channel, ts: message, text, blocks }), {
      repeatable: true,
    });
  }

  /** In three steps, of which people see only the last. */
  async #sendFile(
    place: { channel: string; thread_ts?: string },
    { name, data }: OutboundAttachment,
    body: Body | undefined,
    signal: AbortSignal,
  ): Promise<Sent> {
    if (data.length > FILE_BYTES_MAX) {
      throw new ChannelError('too_large', `files of up to ${FILE_BYTES_MAX} bytes are sent, and "${name}" has more`);
    }
    const { upload_url: address, file_id: id } = await this.#api.call(
      'a file',
      signal,
      (web) => web.files.getUploadURLExternal({ filename: name, length: data.length }),
      { repeatable: true },
    );
    if (address === undefined || id === undefined) throw new ChannelError('temporary', 'Slack gave no upload address');
    await this.#api.upload(address, data, signal);
    const { channel: channel_id, thread_ts } = place;
    const words = body?.blocks.length ? { blocks: body.blocks } : body ? { initial_comment: body.text } : {};
    const files: FilesCompleteUploadExternalArguments['files'] = [{ id, title: name }];
    const request = { channel_id, ...(thread_ts === undefined ? {} : { thread_ts }), files };
    await this.#api.call('a file', signal, (web) =>
      web.files.completeUploadExternal({ ...request, ...words } as FilesCompleteUploadExternalArguments),
    );
    return { message: (await this.#messageOf(id, channel_id, signal)) ?? id };
  }

  /** The message that a file became; undefined where Slack does not say so in time: it is sent nevertheless. */
  async #messageOf(file: string, channel: string, signal: AbortSignal): Promise<string | undefined> {
    for (const pause of LOOKS_MS) {
      try {
        await delay(pause, undefined, { signal });
        const known = await this.#api.call('a file', signal, (web) => web.files.info({ file }), { repeatable: true });
        const ts = shareOf(known, channel);
        if (ts !== undefined) return ts;
      } catch {
        return undefined;
      }
    }
    return undefined;
  }

  /** `U…` is a person: what is sent there goes to the DM with them. */
  async #channelOf({ id }: Chat): Promise<string> {
    return /^[UW][A-Z0-9]+$/.test(id) ? ((await this.#dms.get(id)) ?? id) : id;
  }
}

function shareOf({ file }: FilesInfoResponse, channel: string): string | undefined {
  const { public: open = {}, private: closed = {} } = (file?.shares ?? {}) as Partial<
    Record<'public' | 'private', Record<string, { ts?: string }[]>>
  >;
  return [...(open[channel] ?? []), ...(closed[channel] ?? [])][0]?.ts;
}

/** The parser of Markdown is loaded with the first message. */
async function bodyOf(markdown: string, buttons: OutboundMessage['buttons']): Promise<Body> {
  const body = await import('./body.ts');
  return body.bodyOf(markdown, buttons);
}

function checkLength({ length }: string): void {
  if (length <= TEXT_LENGTH_MAX) return;
  throw new ChannelError('rejected', `a message to Slack has ${TEXT_LENGTH_MAX} characters at most, not ${length}`);
}
