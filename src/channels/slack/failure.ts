/**
 * Slack's errors as ChannelErrors. None carries its cause: the library's errors hold headers and bodies of requests.
 *
 * @see https://docs.slack.dev/reference/methods/chat.postMessage#errors
 */
import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebAPIRequestError } from '@slack/web-api';
import { ChannelError, type ChannelErrorKind } from '../adapter.ts';

/** An answer may be a whole page of HTML. */
const REASON_LENGTH_MAX = 300;
/** Where Slack says no time to wait. */
const RETRY_AFTER_MS = 1_000;

const YOUR_APP = 'api.slack.com/apps > your app';
const BOT_TOKEN = `set the Bot User OAuth Token (xoxb-…) of ${YOUR_APP} > OAuth & Permissions`;

/** What Slack's error codes mean, and what an operator can do about them. Any other is `rejected`. */
const BY_CODE: Readonly<Record<string, readonly [ChannelErrorKind, string?]>> = {
  invalid_auth: ['unauthorized', `the token is not good: ${BOT_TOKEN}`],
  not_authed: ['unauthorized', `there is no token: ${BOT_TOKEN}`],
  token_revoked: ['unauthorized', `the token was revoked: install the app again and ${BOT_TOKEN}`],
  token_expired: ['unauthorized', `the token has expired: switch token rotation off and ${BOT_TOKEN}`],
  account_inactive: ['unauthorized', `the app was removed from the workspace: install it again and ${BOT_TOKEN}`],
  not_allowed_token_type: ['unauthorized', `this kind of token is for something else: ${BOT_TOKEN}`],
  ratelimited: ['rate_limited'],
  rate_limited: ['rate_limited'],
  message_limit_exceeded: ['rate_limited'],
  channel_not_found: ['gone', 'there is no such channel for the bot: if it is private, invite the bot'],
  is_archived: ['gone', 'the channel is archived'],
  user_not_found: ['gone'],
  user_disabled: ['gone'],
  message_not_found: ['gone'],
  thread_not_found: ['gone'],
  file_not_found: ['gone'],
  file_deleted: ['gone'],
  not_in_channel: ['rejected', 'the bot is not in the channel: /invite it there'],
  restricted_action: ['rejected', 'the workspace lets the bot post nothing there'],
  messages_tab_disabled: ['rejected', `DMs of the bot are off: ${YOUR_APP} > App Home > Messages Tab`],
  service_unavailable: ['temporary'],
  request_timeout: ['temporary'],
  // Both may have been done in part, by what Slack writes about them.
  internal_error: ['unknown'],
  fatal_error: ['unknown'],
};

/** Which token, for the errors of an app-level one. */
const APP_TOKEN = `set one with the scope connections:write, of ${YOUR_APP} > Basic Information > App-Level Tokens`;

/** What {@link channelError} must know of the call. */
export interface Call {
  /** What it was for, in a few words. */
  readonly what: string;
  /** It changes nothing, or nothing more when it is made twice, so a lost answer is `temporary`. */
  readonly repeatable: boolean;
  /** Tokens that may not be in the words. */
  readonly secrets: readonly string[];
}

/** Something a call threw, as a ChannelError. */
export function channelError(thrown: unknown, call: Call): ChannelError {
  const known = thrown instanceof WebAPIRequestError ? thrown.original : thrown;
  if (known instanceof ChannelError) return call.repeatable ? repeatable(known) : known;
  const error = describe(known, call);
  return call.repeatable ? repeatable(error) : error;
}

function repeatable(error: ChannelError): ChannelError {
  return error.kind === 'unknown' ? new ChannelError('temporary', error.message) : error;
}

function describe(thrown: unknown, { what, secrets }: Call): ChannelError {
  if (thrown instanceof WebAPIRateLimitedError) return rateLimited(thrown.retryAfter * 1_000);
  if (thrown instanceof WebAPIHTTPError) {
    const { statusCode: status } = thrown;
    return new ChannelError(kindOfStatus(status), `Slack failed at ${what} (HTTP ${status})`);
  }
  if (thrown instanceof WebAPIPlatformError) return refusal(thrown, what, secrets);
  const reason = thrown instanceof Error ? thrown.message : 'unknown failure';
  if (/^Retry header/.test(reason)) return rateLimited(RETRY_AFTER_MS);
  return new ChannelError('unknown', scrubbed(`Slack could not be asked for ${what}: ${reason}`, secrets));
}

function refusal({ data }: WebAPIPlatformError, what: string, secrets: readonly string[]): ChannelError {
  const { error, response_metadata: metadata } = data;
  const code = String(error);
  const [kind, advice] = BY_CODE[code] ?? ['rejected'];
  if (kind === 'rate_limited') return rateLimited((metadata?.retryAfter ?? RETRY_AFTER_MS / 1_000) * 1_000);
  const scope =
    code === 'missing_scope'
      ? `add the scope ${'needed' in data ? data.needed : 'it needs'} at ${YOUR_APP} > OAuth & Permissions, and install the app again`
      : undefined;
  const details = [advice ?? scope, ...(metadata?.messages ?? [])].filter((part) => part !== undefined);
  const reason = `Slack refused ${what} (${code})${details.length > 0 ? `: ${details.join('; ')}` : ''}`;
  return new ChannelError(kind, scrubbed(reason, secrets));
}

/** The error of an app-level token, with what to do about that one. */
export function appTokenError(error: ChannelError): ChannelError {
  if (error.kind !== 'unauthorized') return error;
  return new ChannelError('unauthorized', `Slack refuses the appToken (xapp-…): ${APP_TOKEN}`);
}

/** Socket Mode was switched off for the app. */
export function linkDisabled(): ChannelError {
  return new ChannelError(
    'unauthorized',
    `Socket Mode is off for this app (link_disabled): ${YOUR_APP} > Socket Mode > Enable Socket Mode, then start the account again`,
  );
}

function rateLimited(retryAfterMs: number): ChannelError {
  return new ChannelError('rate_limited', `Slack wants ${retryAfterMs} ms without messages`, { retryAfterMs });
}

function kindOfStatus(status: number): ChannelErrorKind {
  if (status === 413) return 'too_large';
  if (status === 408 || status === 503) return 'temporary';
  return status >= 500 ? 'unknown' : 'rejected';
}

/** The text without the secrets, and no longer than an operator reads. */
export function scrubbed(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '[token]'), text).slice(0, REASON_LENGTH_MAX);
}
