/**
 * The accounts of channels in the configuration: `channels.<platform>.<account>`, and `channels.custom.<name>` for a channel
 * whose adapter is a file of the operator's own. What all accounts have is `accountShape`; each platform adds its own.
 */
import { z } from 'zod';
import { DEFAULT_ACCOUNT } from './default-account.ts';

const secret = z.string().min(1).max(4_096);
/** A platform's id of a person or chat, or a person's handle without `@`. */
const peer = z.string().min(1).max(128);

/** What every account has, whatever its platform. */
export const accountShape = {
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
  /** An emoji the bot reacts with to each message it has taken in, where the platform has it; it stays. */
  ackReaction: z.string().min(1).max(32).optional(),
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

/** A channel whose adapter is a file of the operator's: docs/extending.md has one. */
const custom = z.strictObject({
  ...accountShape,
  /** The file, which exports `createAdapter`. Absolute once loaded. */
  module: z.string().min(1).max(4_096),
  /** Whether it takes requests at `/webhooks/<name>/default`. */
  webhook: z.boolean().default(false),
  /** Handed to `createAdapter` as it is. */
  settings: z.record(z.string().max(64), z.unknown()).default({}),
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
    /** By the name of the channel, which is none of the others'; each has one account, `default`. */
    custom: z
      .record(
        z
          .string()
          .regex(
            /^(?!(telegram|discord|slack|whatsapp|custom|api|person)$)[a-z][a-z0-9-]{0,31}$/,
            'a custom channel is named by a lower-case word that no other channel has',
          ),
        custom,
      )
      .default({}),
  })
  .prefault({});

/** A person on a platform: `telegram:123`, or `telegram/work:123` of one account only. */
const identityPeer = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,31}(\/[a-z][a-z0-9-]{0,31})?:.{1,128}$/,
    'must be such as telegram:123 or telegram/work:123',
  );

/** People who have one session over several channels. */
export const identitiesSchema = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a person is named by a lower-case word'),
      peers: z.array(identityPeer).min(1).max(100),
    }),
  )
  .max(10_000)
  .superRefine((identities, context) => {
    const seen = new Set<string>();
    for (const [index, { name, peers }] of identities.entries()) {
      for (const [at, one] of [name, ...peers].entries()) {
        const path = at === 0 ? [index, 'name'] : [index, 'peers', at - 1];
        if (seen.has(one)) context.addIssue({ code: 'custom', path, message: `"${one}" is there twice` });
        seen.add(one);
      }
    }
  })
  .default([]);

export type ChannelsConfig = z.output<typeof channelsSchema>;
export type Account<P extends keyof ChannelsConfig> = ChannelsConfig[P][string];
/** What every account has. */
export type AnyAccount = Account<keyof ChannelsConfig>;

/** One account that is to run. */
export interface EnabledAccount {
  /** `telegram`, …, or the name of a custom channel. */
  platform: string;
  account: string;
  settings: AnyAccount;
  /** The file with the adapter, of a custom channel. */
  module: string | undefined;
  /** Whether the platform calls us over HTTP. */
  webhook: boolean;
  /** Of a plugin's channel instead of `module`'s own: another one with each load of the plugin. */
  url?: string;
  /** Of a plugin's channel: texts that are taken out of what the thread logs and tells. */
  secrets?: readonly string[];
}

/** The accounts that are to run, in the order of the configuration. */
export function enabledAccounts({ custom, ...platforms }: ChannelsConfig): EnabledAccount[] {
  const builtIn = Object.entries(platforms).flatMap(([platform, accounts]) =>
    Object.entries(accounts as Record<string, AnyAccount>).map(([account, settings]): EnabledAccount => {
      return { platform, account, settings, module: undefined, webhook: hasWebhook(settings) };
    }),
  );
  const own = Object.entries(custom).map(([platform, settings]): EnabledAccount => {
    const { module, webhook } = settings;
    return { platform, account: DEFAULT_ACCOUNT, settings, module, webhook };
  });
  return [...builtIn, ...own].filter(({ settings }) => settings.enabled);
}

/** Slack over HTTP has a signing secret, Telegram a `webhook`. */
function hasWebhook(settings: AnyAccount): boolean {
  return (
    ('webhook' in settings && Boolean(settings.webhook)) || ('signingSecret' in settings && !!settings.signingSecret)
  );
}
