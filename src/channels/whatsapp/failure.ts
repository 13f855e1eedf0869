/**
 * What WhatsApp's refusals mean: how a connection ended, and why a message was not taken. The codes of endings are those of
 * WhatsApp Web (`<failure reason>`, `<stream:error code>`), as whatsmeow and baileys name them.
 */
import { ChannelError } from '../adapter.ts';
import { CredentialsFailure } from './credentials.ts';

/** What follows from the end of a connection. */
export type Ending =
  /** At once, and nobody need know: WhatsApp wants it so. */
  | { readonly act: 'restart'; readonly reason: string }
  /** Later and later. */
  | { readonly act: 'retry'; readonly reason: string; readonly waitMs?: number }
  /** The credentials are worth nothing any more. */
  | { readonly act: 'forget'; readonly reason: string }
  /** Only a person can help. */
  | { readonly act: 'stop'; readonly reason: string };

/** Why we end a connection ourselves, to try again. */
export class Reconnect extends Error {
  override readonly name = 'Reconnect';
  /** Whether something is wrong; otherwise it is a precaution. */
  readonly quiet: boolean;

  constructor(reason: string, quiet = false) {
    super(reason);
    this.quiet = quiet;
  }
}

const LOGGED_OUT = 'WhatsApp has unlinked this device';
const ENDINGS: Record<number, Ending> = {
  401: { act: 'forget', reason: `${LOGGED_OUT}: it was logged out, or removed on the phone` },
  403: { act: 'forget', reason: `${LOGGED_OUT}: the account on the phone is gone, or banned` },
  406: { act: 'forget', reason: LOGGED_OUT },
  405: { act: 'stop', reason: 'WhatsApp takes this version of its protocol no more: update Dhaavak, or baileys' },
  409: { act: 'stop', reason: 'WhatsApp takes this client no more: update Dhaavak, or baileys' },
  411: {
    act: 'stop',
    reason: 'the phone has a WhatsApp too old for linked devices: update it, then restart the account',
  },
  440: {
    act: 'stop',
    reason: 'another connection with the same credentials has taken over: stop it, then restart the account',
  },
  408: { act: 'retry', reason: 'the connection to WhatsApp was lost' },
  428: { act: 'retry', reason: 'WhatsApp closed the connection' },
  500: { act: 'retry', reason: 'WhatsApp ended the connection with an error' },
  503: { act: 'retry', reason: 'WhatsApp is not available' },
  515: { act: 'restart', reason: 'WhatsApp wants a new connection' },
};
const BAN_WAIT_MAX_MS = 24 * 60 * 60 * 1_000;

/** What the end of a connection means, by the error baileys gives with it. */
export function endingOf(error: unknown): Ending {
  if (error instanceof Reconnect) return { act: 'retry', reason: error.message };
  const { code, data, message } = boom(error);
  // Nobody of WhatsApp said this: a proxy's 401 must not cost the credentials.
  if (data instanceof Error) return { act: 'retry', reason: `WhatsApp cannot be reached: ${message}` };
  if (code === 400) return { act: 'retry', reason: `the server could not prove that it is WhatsApp's: ${message}` };
  if (code === 402) {
    const waitMs = Math.min(Number((data as { expire?: unknown } | undefined)?.expire) * 1_000 || 0, BAN_WAIT_MAX_MS);
    return { act: 'retry', reason: 'WhatsApp has banned this account for a time', waitMs };
  }
  return ENDINGS[code ?? 500] ?? { act: 'retry', reason: `WhatsApp ended the connection (${code})` };
}

/** The refusal of a message, by the code in its acknowledgement. */
export function refusalOf(code: string): ChannelError {
  switch (Number(code)) {
    case 429:
      return new ChannelError('rate_limited', 'WhatsApp takes no more messages for now');
    case 463:
      return new ChannelError('rejected', 'WhatsApp lets this account start no new chats: it is restricted');
    case 479:
      return new ChannelError('rejected', 'WhatsApp could not make sense of the message (479)');
    case 404:
      return new ChannelError('gone', 'the chat is not there any more');
    case 403:
      return new ChannelError('rejected', 'this account may not write there');
  }
  if (Number(code) >= 500) return new ChannelError('temporary', `WhatsApp could not take the message (${code})`);
  return new ChannelError('rejected', `WhatsApp refused the message (${code})`);
}

/** What a send threw before the message was out: the lookups that go before it, the upload of its file. */
export function failureOf(error: unknown): ChannelError {
  if (error instanceof ChannelError) return error;
  if (error instanceof CredentialsFailure) {
    return new ChannelError('unknown', 'the message may be sent, but its keys could not be kept', { cause: error });
  }
  const { code, data, message } = boom(error);
  // A query that was refused has its code as the data; most other errors of baileys have one of HTTP.
  const refused = typeof data === 'number' ? data : code;
  if (refused === 429) return new ChannelError('rate_limited', 'WhatsApp takes no more requests for now');
  if (refused === 404 || refused === 410) return new ChannelError('gone', 'the chat is not there any more');
  if (refused === 403) return new ChannelError('rejected', 'this account may not write there');
  if (refused === 400 || refused === 406) return new ChannelError('rejected', `WhatsApp refused it: ${message}`);
  return new ChannelError('temporary', `it could not be sent: ${message}`, { cause: error });
}

/** The parts of an error of baileys that say what it is (https://hapi.dev/module/boom). */
function boom(error: unknown): { code: number | undefined; data: unknown; message: string } {
  const { output, data } = (error ?? {}) as { output?: { statusCode?: number }; data?: unknown };
  return { code: output?.statusCode, data, message: error instanceof Error ? error.message : String(error) };
}
