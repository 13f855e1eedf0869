/**
 * The configuration, as one zod schema: what a key means stands in `config/dhaavak.example.yaml`, which a test compares
 * with this. Every object is strict, so that a mistyped key is refused instead of ignored.
 */
import { z } from 'zod';
import { channelsSchema, identitiesSchema } from './channels.ts';
import { isLoopback } from './loopback.ts';
import { memorySchema } from './memory.ts';
import { pluginsSchema } from './plugins.ts';
import { sandboxMode, toolNames, toolsSchema } from './tools.ts';

const port = z.int().min(0).max(65_535);
const milliseconds = z
  .int()
  .positive()
  .max(24 * 3_600_000);

/** Such as `openai/gpt-5-mini`. */
const modelReference = z.string().min(1).max(128);
/** Asked one after the other when the model before them cannot answer. */
const fallbacks = z.array(modelReference).max(8);

/** A place a conversation has, in its channel's ids. */
const place = z.string().min(1).max(128).optional();
const binding = z.strictObject({
  match: z.strictObject({
    channel: place,
    account: place,
    peer: place,
    parentPeer: place,
    guild: place,
    team: place,
  }),
  agent: z.string().min(1),
});

/** Limits of one UTC day. Undefined: none. */
const budget = z
  .strictObject({
    runs: z.int().nonnegative().optional(),
    tokens: z.int().nonnegative().optional(),
    /** US dollars. */
    cost: z.number().nonnegative().max(1e9).optional(),
  })
  .prefault({});

const provider = z
  .strictObject({
    apiKey: z.string().min(1).optional(),
    baseUrl: z.url().optional(),
  })
  .prefault({});

const shape = z.strictObject({
  gateway: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: port.default(18_789),
      /** Undefined: the one generated in the data folder. */
      token: z.string().min(16, 'a token has at least 16 characters').max(1024).optional(),
      auth: z.strictObject({ mode: z.enum(['token', 'password', 'none']).default('token') }).prefault({}),
      origins: z
        .array(z.string().regex(/^https?:\/\/[a-z0-9.:[\]-]+$/, 'must be an origin such as https://host'))
        .default([]),
      hosts: z.array(z.string().regex(/^[a-z0-9.:-]+$/, 'must be a lower-case name without a port')).default([]),
      limits: z
        .strictObject({
          connections: z.int().min(1).max(1_000_000).default(50_000),
          connectionsPerAddress: z.int().min(1).max(1_000_000).default(1_000),
          unauthenticated: z.int().min(1).max(1_000_000).default(4_096),
          idleSeconds: z.int().min(8).max(960).default(120),
          requestsPerSecond: z.int().min(1).max(1_000_000).default(10_000),
        })
        .prefault({}),
      tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
    })
    .refine(({ auth, host }) => auth.mode !== 'none' || isLoopback(host), {
      path: ['auth', 'mode'],
      message: 'none lets everybody in and is taken only where gateway.host is a loopback address such as 127.0.0.1',
    })
    .prefault({}),
  home: z.string().min(1).default('~/.dhaavak'),
  shards: z
    .strictObject({
      /** Undefined: the number of cores less one, at least 1. */
      count: z.int().min(1).max(64).optional(),
      stuckAfterMs: milliseconds.default(1_500),
    })
    .prefault({}),
  storage: z.strictObject({ flush: z.boolean().default(true) }).prefault({}),
  sessions: z
    .strictObject({
      mailboxMax: z.int().min(1).max(10_000).default(100),
      idleMs: milliseconds.default(600_000),
      activeMax: z.int().min(1).max(10_000_000).default(50_000),
      runTimeoutMs: milliseconds.default(600_000),
      followUp: z.enum(['steer', 'followup', 'collect', 'interrupt']).default('followup'),
      debounceMs: z.int().min(0).max(60_000).default(500),
      collectMax: z.int().min(2).max(100).default(20),
      overflow: z.enum(['old', 'new', 'summarize']).default('old'),
      /** Of what a request may hold; 1: never by itself. */
      compactAt: z.number().min(0.3).max(1).default(0.8),
      cleanUp: z
        .strictObject({
          afterMs: z
            .int()
            .positive()
            .max(10 * 366 * 24 * 3_600_000)
            .default(24 * 3_600_000),
          action: z.enum(['passivate', 'delete']).default('passivate'),
          types: z.array(z.enum(['dm', 'group', 'sub'])).default(['dm', 'group', 'sub']),
        })
        .prefault({}),
      /** Undefined: no limit. See `actors/session/old-turns.ts`. */
      retention: z
        .strictObject({
          days: z.int().min(1).max(36_500).optional(),
          entriesMax: z.int().min(1).max(1e9).optional(),
          bytesMax: z
            .int()
            .min(1)
            .max(2 ** 50)
            .optional(),
          types: z.array(z.enum(['main', 'dm', 'group', 'sub'])).default(['main', 'dm', 'group', 'sub']),
        })
        .prefault({}),
    })
    .prefault({}),
  models: z
    .strictObject({
      /** Undefined: chosen from the keys that are set, see `agent/models.ts`. */
      default: modelReference.optional(),
      fallbacks: fallbacks.default([]),
      /** US dollars for a million tokens. */
      prices: z
        .record(modelReference, z.strictObject({ input: z.number().nonnegative(), output: z.number().nonnegative() }))
        .default({}),
      /** Undefined for a model: what `agent/context-window.ts` knows of its family. */
      contextTokens: z.record(modelReference, z.int().min(1_024).max(100_000_000)).default({}),
      stallMs: milliseconds.default(60_000),
      turnsMax: z.int().min(1).max(100).default(25),
      outputTokensMax: z.int().min(1).max(1_000_000).default(8_192),
      anthropic: provider,
      openai: provider,
    })
    .prefault({}),
  memory: memorySchema,
  tools: toolsSchema,
  plugins: pluginsSchema,
  budgets: z.strictObject({ perSenderPerDay: budget, perDay: budget }).prefault({}),
  agents: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'an agent id is a lower-case word'),
      z.strictObject({
        model: modelReference.optional(),
        /** Undefined: `models.fallbacks`. */
        fallbacks: fallbacks.optional(),
        prompt: z.string().max(65_536).default('You are a helpful assistant. Answer briefly and plainly.'),
        /** Undefined: `<home>/agents/<id>`. Absolute once loaded. */
        workspace: z.string().min(1).optional(),
        /** What it has at all; `tools` above takes away from that. Files are its workspace's. */
        tools: toolNames.default(['group:time', 'group:math', 'group:files', 'group:skills', 'group:memory']),
        /** Of these, never called. */
        deny: toolNames.default([]),
        /** Of these, called with an operator's approval only. */
        approve: toolNames.default([]),
        /** Undefined: `tools.sandbox`. */
        sandbox: sandboxMode.optional(),
      }),
    )
    .refine((agents) => 'main' in agents, 'there must be an agent named "main"')
    .prefault({ main: {} }),
  /** Which agent answers where none is named, see `inbound/route.ts`. */
  bindings: z.array(binding).max(1_000).default([]),
  channels: channelsSchema,
  identities: identitiesSchema,
  recovery: z
    .strictObject({
      /** 0: never. */
      uncleanStartsMax: z.int().min(0).max(100).default(3),
      windowMs: milliseconds.default(300_000),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    })
    .prefault({}),
});

export const configSchema = shape.superRefine(({ agents, bindings, memory, models, tools }, context) => {
  const { provider, apiKey, baseUrl } = memory.embedder;
  if (provider === 'openai' && !(apiKey ?? baseUrl ?? models.openai.apiKey ?? models.openai.baseUrl)) {
    const message =
      'openai needs a key: set this, models.openai.apiKey or OPENAI_API_KEY, or the baseUrl of a server of yours';
    context.addIssue({ code: 'custom', path: ['memory', 'embedder', 'apiKey'], message });
  }
  for (const [index, agent] of tools.sessions.agents.entries()) {
    if (Object.hasOwn(agents, agent)) continue;
    const path = ['tools', 'sessions', 'agents', index];
    context.addIssue({ code: 'custom', path, message: `no agent is named "${agent}"` });
  }
  for (const [index, { agent }] of bindings.entries()) {
    if (Object.hasOwn(agents, agent)) continue;
    context.addIssue({ code: 'custom', path: ['bindings', index, 'agent'], message: `no agent is named "${agent}"` });
  }
  for (const [index, rule] of tools.rules.entries()) {
    for (const [at, agent] of (rule.agents ?? []).entries()) {
      if (Object.hasOwn(agents, agent)) continue;
      const path = ['tools', 'rules', index, 'agents', at];
      context.addIssue({ code: 'custom', path, message: `no agent is named "${agent}"` });
    }
  }
});

export type Config = z.output<typeof configSchema>;
