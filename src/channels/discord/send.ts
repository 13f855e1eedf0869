/** What goes to Discord. */
import type { RawFile } from '@discordjs/rest';
import {
  type APIActionRowComponent,
  type APIComponentInMessageActionRow,
  type APIMessage,
  ButtonStyle,
  ComponentType,
  type RESTPatchAPIChannelMessageJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
  Routes,
} from 'discord-api-types/v10';
import { type Button, ChannelError, type OutboundMessage, type Sent } from '../adapter.ts';
import type { Api } from './api.ts';
import { render } from './render.ts';

/** Without a higher level of the server: 10 MB. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
const ROW_MAX = 5;
const LABEL_LENGTH_MAX = 80;
const STYLES = { primary: ButtonStyle.Primary, danger: ButtonStyle.Danger, plain: ButtonStyle.Secondary } as const;
/** Nobody is rung by what a model writes, `@everyone` least of all; who is answered is. */
const MENTIONS = { parse: [], replied_user: true };

/**
 * Sends one message, under `key` as its nonce: for a few minutes Discord answers a second one of the same nonce with the
 * first. Throws a ChannelError.
 */
export async function sendMessage(api: Api, message: OutboundMessage, signal: AbortSignal): Promise<Sent> {
  const { chat, text, attachment, replyTo, buttons, key } = message;
  if (attachment && attachment.data.length > FILE_BYTES_MAX) {
    throw new ChannelError('too_large', `Discord takes files of up to ${FILE_BYTES_MAX} bytes`);
  }
  const files: RawFile[] = attachment
    ? [{ name: attachment.name, contentType: attachment.mediaType, data: Buffer.from(attachment.data) }]
    : [];
  const body: RESTPostAPIChannelMessageJSONBody = {
    content: render([text, attachment?.caption ?? ''].filter((part) => part !== '').join('\n\n')),
    nonce: key,
    enforce_nonce: true,
    allowed_mentions: MENTIONS,
    ...(buttons ? { components: rows(buttons) } : {}),
    // A slash command has no message, and one may be deleted: the answer stands alone then.
    ...(replyTo === undefined ? {} : { message_reference: { message_id: replyTo, fail_if_not_exists: false } }),
    ...(attachment ? { attachments: [{ id: 0, filename: attachment.name }] } : {}),
  };
  const request = { body, signal, ...(attachment ? { files } : {}) };
  const { id } = await api.request<APIMessage>('POST', Routes.channelMessages(chat.id), request);
  return { message: id };
}

/** Changes a message of ours. Throws a ChannelError. */
export async function editMessage(
  api: Api,
  channel: string,
  message: string,
  text: string,
  buttons: OutboundMessage['buttons'],
  signal: AbortSignal,
): Promise<void> {
  const body: RESTPatchAPIChannelMessageJSONBody = {
    content: render(text),
    allowed_mentions: MENTIONS,
    components: rows(buttons ?? []),
  };
  await api.request('PATCH', Routes.channelMessage(channel, message), { body, signal });
}

function rows(buttons: readonly (readonly Button[])[]): APIActionRowComponent<APIComponentInMessageActionRow>[] {
  const short = buttons.flatMap((row) =>
    Array.from({ length: Math.ceil(row.length / ROW_MAX) }, (_, index) =>
      row.slice(index * ROW_MAX, (index + 1) * ROW_MAX),
    ),
  );
  return short.map((row) => ({
    type: ComponentType.ActionRow,
    components: row.map(({ label, data, style }) => ({
      type: ComponentType.Button,
      label: label.slice(0, LABEL_LENGTH_MAX),
      custom_id: data,
      style: STYLES[style ?? 'plain'],
    })),
  }));
}
