/** What goes wrong with Telegram as ChannelErrors: which kind, and in words without the bot's token. */
import { GrammyError, HttpError } from 'grammy';
import { ChannelError, type ChannelErrorKind } from '../adapter.ts';

/** An answer may be a whole page of HTML. */
const REASON_LENGTH_MAX = 300;
/** Failures before a byte of the request was out: no address, no connection, no TLS. */
const NOT_CONNECTED =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|connect ETIMEDOUT|CERT|SELF_SIGNED|UNABLE_TO_|before secure TLS/;
/** What a 403 says about a chat that will not have us, where others say what we may not do in it. */
const SHUT_OUT = /blocked by the user|user is deactivated|bot was kicked|not a member|chat was deleted/i;
const NOT_THERE = /chat not found|PEER_ID_INVALID|group chat was upgraded|message thread not found|chat was deleted/i;
const TOO_LARGE = /too (big|large)/i;

/** The text without the token, which is a part of the address of every call. */
export function withoutToken(text: string, token: string): string {
  return text.replaceAll(token, '[token]').replaceAll(encodeURIComponent(token), '[token]');
}

/**
 * `thrown` by a call of `method` as a ChannelError. It has no cause: what grammY throws holds the message and, for errors of
 * the network, the address with the token.
 *
 * `repeatable`: the call changes nothing, or nothing more when it is made twice, so a lost answer is `temporary`.
 */
export function channelError(method: string, thrown: unknown, token: string, repeatable = false): ChannelError {
  if (thrown instanceof ChannelError) return thrown;
  const reason = withoutToken(describe(thrown), token).slice(0, REASON_LENGTH_MAX);
  if (thrown instanceof GrammyError) {
    const { retry_after: retryAfterS, migrate_to_chat_id: movedTo } = thrown.parameters;
    return new ChannelError(refusalKind(thrown), `Telegram refused ${method} (${thrown.error_code}): ${reason}`, {
      retryAfterMs: thrown.error_code === 429 ? (retryAfterS ?? 1) * 1_000 : undefined,
      movedTo: movedTo?.toString(),
    });
  }
  const kind = repeatable || NOT_CONNECTED.test(reason) ? 'temporary' : 'unknown';
  return new ChannelError(kind, `Telegram could not be asked for ${method}: ${reason}`);
}

/** What a refusal of the Bot API means. Its texts are the only thing that tells one 400 from another. */
function refusalKind({ error_code: code, description, parameters }: GrammyError): ChannelErrorKind {
  if (code === 429) return 'rate_limited';
  // A token that has not even the form of one is "Not Found". So is, in more words, a method an old server does not have.
  if (code === 401 || (code === 404 && !/method/i.test(description))) return 'unauthorized';
  if (code === 413 || (code === 400 && TOO_LARGE.test(description))) return 'too_large';
  if (parameters.migrate_to_chat_id !== undefined) return 'gone';
  if (code === 403) return SHUT_OUT.test(description) ? 'gone' : 'rejected';
  if (code === 400) return NOT_THERE.test(description) ? 'gone' : 'rejected';
  // 504: whoever answers gave up waiting for whoever does the work.
  if (code === 504) return 'unknown';
  return code === 409 || code >= 500 ? 'temporary' : 'rejected';
}

function describe(thrown: unknown): string {
  if (thrown instanceof GrammyError) return thrown.description;
  const cause = thrown instanceof HttpError ? thrown.error : thrown;
  if (!(cause instanceof Error)) return 'unknown failure';
  const { code } = cause as { code?: unknown };
  const { message } = cause;
  return [typeof code === 'string' && !message.includes(code) ? code : '', message].filter(Boolean).join(': ');
}

/** Whether Telegram took offence at our formatting: the same message without any would be taken. */
export function isFormattingFault(thrown: unknown): boolean {
  return thrown instanceof GrammyError && thrown.error_code === 400 && /can't parse entities/i.test(thrown.description);
}

/** Whether an edit changed nothing because the message is like that already. */
export function isUnchanged(thrown: unknown): boolean {
  return thrown instanceof GrammyError && /message is not modified/i.test(thrown.description);
}

/** Whether an edit of a text was refused because the message is a file, whose caption would be to edit. */
export function isWithoutText(thrown: unknown): boolean {
  return thrown instanceof GrammyError && /there is no text in the message/i.test(thrown.description);
}

/** Whether a picture was refused for what it is: its proportions, or a format that cannot be read. */
export function isPhotoFault(thrown: unknown): boolean {
  return (
    thrown instanceof GrammyError &&
    /PHOTO_INVALID_DIMENSIONS|IMAGE_PROCESS_FAILED|PHOTO_EXT_INVALID/i.test(thrown.description)
  );
}
