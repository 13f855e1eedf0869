/** Files of messages: Slack gives them to whoever shows the bot token. */
import { type AttachmentKind, ChannelError, type InboundAttachment } from '../adapter.ts';
import type { SlackApi } from './api.ts';

/** A file as an event tells of it. */
export interface SlackFile {
  readonly id: string;
  readonly name?: string | null;
  readonly mimetype?: string;
  readonly size?: number;
  /** `tombstone`, `hidden_by_limit`: it is not to be had; `external`: it is kept elsewhere. */
  readonly mode?: string;
  /** `check_file_info`: of a channel shared with another company; the event tells little. */
  readonly file_access?: string;
  readonly url_private?: string;
  readonly url_private_download?: string;
}

const NOT_THERE = new Set(['tombstone', 'hidden_by_limit', 'external']);

/** The file to be loaded; undefined: Slack does not have it. */
export function inboundAttachment(api: SlackApi, file: SlackFile): InboundAttachment | undefined {
  const { id, name, mimetype, size, mode } = file;
  if (mode !== undefined && NOT_THERE.has(mode)) return undefined;
  return {
    kind: kindOf(mimetype),
    name: name ?? undefined,
    mediaType: mimetype,
    bytes: size,
    load: async (bytesMax, signal) => {
      if ((size ?? 0) > bytesMax) throw tooLarge(bytesMax);
      const { url, bytes } = await addressOf(api, file, signal);
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      if (url === undefined) throw new ChannelError('gone', `Slack has no address for the file ${id}`);
      return api.download(url, mimetype, bytesMax, signal);
    },
  };
}

async function addressOf(
  api: SlackApi,
  file: SlackFile,
  signal: AbortSignal,
): Promise<{ url: string | undefined; bytes: number }> {
  const url = file.url_private_download ?? file.url_private;
  if (url !== undefined && file.file_access !== 'check_file_info') return { url, bytes: file.size ?? 0 };
  const { file: known } = await api.call('a file', signal, (web) => web.files.info({ file: file.id }), {
    repeatable: true,
  });
  return { url: known?.url_private_download ?? known?.url_private, bytes: known?.size ?? 0 };
}

function kindOf(mediaType = ''): AttachmentKind {
  const [type] = mediaType.split('/');
  return type === 'image' || type === 'audio' || type === 'video' ? type : 'file';
}

function tooLarge(bytesMax: number): ChannelError {
  return new ChannelError('too_large', `the file has more than ${bytesMax} bytes`);
}
