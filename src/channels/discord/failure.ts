/**
 * Discord's errors as ChannelErrors. None carries its cause: the library's errors hold the request's URL, with the token
 * of an interaction in it, and its body.
 *
 * @see https://discord.com/developers/docs/topics/opcodes-and-status-codes
 */
import { DiscordAPIError, HTTPError, RateLimitError } from '@discordjs/rest';
import { GatewayCloseCodes } from 'discord-api-types/v10';
import { ChannelError, type ChannelErrorKind } from '../adapter.ts';

/** An API's reason may be a whole HTML page. */
const REASON_LENGTH_MAX = 500;

/** Network errors before a connection was there: the request did not leave. */
const NEVER_LEFT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Error codes that say more than their status, and what an operator can do about them. */
const BY_CODE: Readonly<Record<number, readonly [ChannelErrorKind, string?]>> = {
  10003: ['gone', 'the channel was deleted'],
  10004: ['gone', 'the bot is not in this server'],
  20028: ['rate_limited'],
  40005: ['too_large'],
  50001: ['gone', 'the bot cannot see this channel: it was removed, or has no permission View Channel there'],
  50007: ['gone', 'this user takes no DMs from the bot: they blocked it, or share no server with it'],
  50013: [
    'rejected',
    'the bot lacks a permission in this channel: Send Messages, Send Messages in Threads, Attach Files or Read Message History',
  ],
};

/** How the gateway ends a connection for good: `unauthorized` for the token, `rejected` for what the application may. */
const FATAL: Readonly<Record<number, readonly ['unauthorized' | 'rejected', string]>> = {
  [GatewayCloseCodes.AuthenticationFailed]: [
    'unauthorized',
    'Discord refuses the bot token: set the one of discord.com/developers/applications > your application > Bot > Reset Token',
  ],
  [GatewayCloseCodes.InvalidShard]: ['rejected', 'Discord refuses the shard of this connection'],
  [GatewayCloseCodes.ShardingRequired]: ['rejected', 'Discord wants more shards for a bot in this many servers'],
  [GatewayCloseCodes.InvalidAPIVersion]: ['rejected', 'Discord has ended this version of its gateway'],
  [GatewayCloseCodes.InvalidIntents]: ['rejected', 'Discord does not know these intents'],
  [GatewayCloseCodes.DisallowedIntents]: [
    'rejected',
    'Discord does not let this bot read messages: switch on "Message Content Intent" at discord.com/developers/applications > your application > Bot > Privileged Gateway Intents',
  ],
};

/** What a close code of the gateway means when no new connection can help; undefined: one can. */
export function fatalClose(code: number): ChannelError | undefined {
  const fatal = FATAL[code];
  return fatal && new ChannelError(fatal[0], `${fatal[1]} (close code ${code})`);
}

/** Something a request threw, as a ChannelError without `secret` in it. */
export function channelError(thrown: unknown, secret: string): ChannelError {
  if (thrown instanceof ChannelError) return thrown;
  const reason = describe(thrown).replaceAll(secret, '[redacted]').slice(0, REASON_LENGTH_MAX);
  if (thrown instanceof RateLimitError) return rateLimited(thrown);
  if (thrown instanceof DiscordAPIError) return refusal(thrown, reason);
  // It may have been done for all that. Tried again within minutes, its nonce keeps it from being shown twice.
  if (thrown instanceof HTTPError) return new ChannelError('temporary', `Discord failed (${thrown.status}): ${reason}`);
  // The library forgets a token that was refused once.
  if (/token to be set/.test(reason)) return new ChannelError('unauthorized', 'Discord refused the bot token before');
  // It was given up while it waited in the library's line.
  if (/aborted manually/.test(reason))
    return new ChannelError('temporary', 'given up before the request to Discord was made');
  // The response was cut off after its head: what was asked for was done, or not.
  return new ChannelError('unknown', `the connection to Discord broke: ${reason}`);
}

/** What kept a request from getting a response. */
export function networkError(thrown: unknown): ChannelError {
  const { code } = (thrown ?? {}) as NodeJS.ErrnoException;
  return NEVER_LEFT.has(code ?? '')
    ? new ChannelError('temporary', `Discord cannot be reached (${code})`)
    : new ChannelError(
        'unknown',
        `Discord did not answer (${code ?? describe(thrown)}): whether it was done is not known`,
      );
}

function rateLimited({ retryAfter, timeToReset, global }: RateLimitError): ChannelError {
  const retryAfterMs = Math.ceil(retryAfter > 0 ? retryAfter : timeToReset);
  const scope = global ? 'of the whole bot' : 'here';
  return new ChannelError('rate_limited', `Discord wants ${retryAfterMs} ms without messages ${scope}`, {
    retryAfterMs,
  });
}

function refusal({ code, status }: DiscordAPIError, reason: string): ChannelError {
  const [kind, advice] = BY_CODE[Number(code)] ?? [kindOf(status)];
  return new ChannelError(kind, `Discord refused (${status}, code ${code}): ${advice ?? reason}`);
}

function kindOf(status: number): ChannelErrorKind {
  if (status === 401) return 'unauthorized';
  if (status === 413) return 'too_large';
  return status === 408 ? 'temporary' : 'rejected';
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
}
