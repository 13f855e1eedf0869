/** The parameters of a call of the Bot API, and what can be wrong with them. */
import type { IncomingMessage } from 'node:http';
import { parseMultipart } from './multipart.ts';
import { Refusal } from './telegram-refusal.ts';

const CALLBACK_DATA_BYTES_MAX = 64;
const UPLOAD_BYTES_MAX = 50 * 1024 * 1024;
const PHOTO_BYTES_MAX = 10 * 1024 * 1024;
/** The methods that send a file, and the parameter it is in. */
export const FILE_METHODS: Record<string, string> = {
  sendPhoto: 'photo',
  sendDocument: 'document',
  sendVoice: 'voice',
  sendAudio: 'audio',
  sendVideo: 'video',
  sendAnimation: 'animation',
};

export type Parameters = Record<string, unknown>;

export interface UploadedFile {
  readonly method: string;
  readonly name: string;
  readonly data: Buffer;
}

export interface CallbackButton {
  readonly text: string;
  readonly callback_data: string;
}

export function bad(reason: string): Refusal {
  return new Refusal(400, `Bad Request: ${reason}`);
}

/** JSON or a form, whose fields are texts and, for files, their parts. */
export async function parametersOf(request: IncomingMessage): Promise<Parameters> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? '';
  if (body.length > UPLOAD_BYTES_MAX + 65_536) throw new Refusal(413, 'Request Entity Too Large');
  if (type.startsWith('application/json')) return JSON.parse(body.toString()) as Parameters;
  if (!type.startsWith('multipart/form-data')) return {};
  const parts = parseMultipart(type, body);
  return Object.fromEntries(
    parts.map((part) => [part.name, part.fileName === undefined ? part.data.toString() : part]),
  );
}

export function fileOf(method: string, parameters: Parameters): UploadedFile | undefined {
  const parameter = FILE_METHODS[method];
  if (parameter === undefined) return undefined;
  const attached = /^attach:\/\/(.+)$/.exec(String(parameters[parameter]))?.[1];
  const part = parameters[attached ?? ''] as { fileName: string; data: Buffer } | undefined;
  if (part === undefined || part.data.length === 0) throw bad('file must be non-empty');
  if (method === 'sendPhoto' && part.data.length > PHOTO_BYTES_MAX) throw bad('PHOTO_INVALID_DIMENSIONS');
  return { method, name: part.fileName, data: Buffer.from(part.data) };
}

export function buttonsOf({ reply_markup: markup }: Parameters): CallbackButton[][] {
  if (markup === undefined) return [];
  const { inline_keyboard: rows = [] } = parsed(markup) as { inline_keyboard?: CallbackButton[][] };
  for (const { text, callback_data: data } of rows.flat()) {
    if (text === '') throw bad("can't parse inline keyboard button: Button text must be non-empty");
    const bytes = Buffer.byteLength(data);
    if (bytes < 1 || bytes > CALLBACK_DATA_BYTES_MAX) throw bad('BUTTON_DATA_INVALID');
  }
  return rows.map((row) => row.map(({ text, callback_data }) => ({ text, callback_data })));
}

/** In forms, objects are JSON texts. */
export function parsed(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}

export function numeric(value: unknown): number | undefined {
  return value === undefined ? undefined : Number(value);
}
