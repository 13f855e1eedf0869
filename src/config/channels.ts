/**
 * The accounts of channels in the configuration: `channels.<platform>.<account>`. What all accounts have is
 * `accountShape`; each platform adds its own.
 */
import { z } from 'zod';

const secret = z.string().min(1).max(4_096);
/** A platform's id of a person or chat, or a person's handle without `@`. */
const peer = z.string().min(1).max(128);

/** What every account has, whatever its platform. */
const accountShape = {
  /** False: the account is left alone, as if it were not there. */
  enabled: z.boolean().default(true),
  dm: z.enum(['open', 'pairing', 'allowlist', 'closed']).default('pairing'),
  group: z.enum(['mention', 'all', 'allowlist', 'disabled']).default('mention'),
  /** Who may talk in DMs without being paired, and in groups: empty means whoever the policy lets in. */
  users: z.array(peer).max(10_000).default([]),
  /** Groups the bot answers in where `group` is `allowlist`. */
  groups: z.array(peer).max(10_000).default([]),
  /** Who may use the commands that change things (/model, /approve, …) in groups; in DMs everybody who is let in may. */
  admins: z.array(peer).max(1_000).default([]),
  /** How an answer that is being made is shown: not at all, by editing one message, or in finished blocks. */
  streaming: z.enum(['off', 'edit', 'block']).default('edit'),
  /** Quick messages of one sender are joined when they come within this time, in milliseconds; 0: never. */
  debounceMs: z.int().min(0).max(10_000).default(0),
};

const telegram = z.strictObject({
  ...accountShape,
  token: secret,
  /** Webhook instead of long polling. `secret` is what Telegram sends in its header. */
  webhook: z.strictObject({ url: z.url(), secret: z.string().regex(/^[A-Za-z0-9_-]{16,256}$/) }).optional(),
  /** Another Bot API server. */
  apiUrl: z.url().optional(),
});

const discord = z.strictObject({
  ...accountShape,
  token: secret,
  /** Another API, for tests and proxies. */
  apiUrl: z.url().optional(),
});

const slack = z
  .strictObject({
    ...accountShape,
    botToken: secret,
    /** Socket Mode; without it HTTP, and `signingSecret` must be there. */
    appToken: secret.optional(),
    signingSecret: secret.optional(),
    apiUrl: z.url().optional(),
  })
  .refine(({ appToken, signingSecret }) => (appToken === undefined) !== (signingSecret === undefined), {
    message: 'needs either appToken (Socket Mode) or signingSecret (HTTP)',
  });

const whatsapp = z.strictObject({
  ...accountShape,
  /** Another server, for tests. */
  serverUrl: z.url().optional(),
});

/** A Record of accounts by name. */
function accounts<T extends z.ZodType>(account: T) {
  return z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'an account is named by a lower-case word'), account)
    .default({});
}

export const channelsSchema = z
  .strictObject({
    telegram: accounts(telegram),
    discord: accounts(discord),
    slack: accounts(slack),
    whatsapp: accounts(whatsapp),
  })
  .prefault({});

export type ChannelsConfig = z.output<typeof channelsSchema>;
export type Platform = keyof ChannelsConfig;
export type Account<P extends Platform> = ChannelsConfig[P][string];
/** What every account has. */
export type AnyAccount = Account<'telegram'> | Account<'discord'> | Account<'slack'> | Account<'whatsapp'>;
