/**
 * The configuration, as one zod schema: what a key means stands in `config/dhaavak.example.yaml`, which a test compares
 * with this. Every object is strict, so that a mistyped key is refused instead of ignored.
 */
import { z } from 'zod';

const port = z.int().min(0).max(65_535);
const milliseconds = z
  .int()
  .positive()
  .max(24 * 3_600_000);

const provider = z
  .strictObject({
    apiKey: z.string().min(1).optional(),
    baseUrl: z.url().optional(),
  })
  .prefault({});

export const configSchema = z.strictObject({
  gateway: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: port.default(18_789),
      /** Undefined: the one generated in the data folder. */
      token: z.string().min(16, 'a token has at least 16 characters').max(1024).optional(),
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
  sessions: z
    .strictObject({
      mailboxMax: z.int().min(1).max(10_000).default(100),
      idleMs: milliseconds.default(600_000),
      activeMax: z.int().min(1).max(10_000_000).default(50_000),
      runTimeoutMs: milliseconds.default(600_000),
      followUp: z.enum(['steer', 'followup', 'collect', 'interrupt']).default('followup'),
      debounceMs: z.int().min(0).max(60_000).default(500),
      collectMax: z.int().min(2).max(100).default(20),
      overflow: z.enum(['old', 'new']).default('old'),
      cleanUp: z
        .strictObject({
          afterMs: z
            .int()
            .positive()
            .max(10 * 366 * 24 * 3_600_000)
            .default(24 * 3_600_000),
          action: z.enum(['passivate', 'delete']).default('passivate'),
          types: z.array(z.enum(['dm', 'group'])).default(['dm', 'group']),
        })
        .prefault({}),
    })
    .prefault({}),
  models: z
    .strictObject({
      /** Undefined: chosen from the keys that are set, see `agent/models.ts`. */
      default: z.string().min(1).max(128).optional(),
      stallMs: milliseconds.default(60_000),
      turnsMax: z.int().min(1).max(100).default(25),
      outputTokensMax: z.int().min(1).max(1_000_000).default(8_192),
      anthropic: provider,
      openai: provider,
    })
    .prefault({}),
  agents: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'an agent id is a lower-case word'),
      z.strictObject({
        model: z.string().min(1).max(128).optional(),
        prompt: z.string().max(65_536).default('You are a helpful assistant. Answer briefly and plainly.'),
        tools: z.array(z.string().min(1)).default(['time.now', 'calc']),
      }),
    )
    .refine((agents) => 'main' in agents, 'there must be an agent named "main"')
    .prefault({ main: {} }),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;
