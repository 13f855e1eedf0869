/** The memory in the configuration: what is kept to be found again, how, and who may recall it. */
import { z } from 'zod';

const reach = z.enum(['session', 'owner', 'agent']);

const milliseconds = z
  .int()
  .positive()
  .max(24 * 3_600_000);

export const memorySchema = z
  .strictObject({
    enabled: z.boolean().default(true),
    /** `local`, or a plugin's. */
    backend: z.string().min(1).max(64).default('local'),
    /** How far sessions of a type may look, and how far what they save may be recalled. */
    scope: z
      .strictObject({
        main: reach.default('agent'),
        dm: reach.default('owner'),
        group: reach.default('session'),
      })
      .prefault({}),
    /** What is put before the model unasked. */
    recall: z
      .strictObject({
        automatic: z.boolean().default(true),
        entriesMax: z.int().min(1).max(50).default(5),
        tokensMax: z.int().min(50).max(20_000).default(800),
        timeoutMs: milliseconds.default(300),
      })
      .prefault({}),
    /** What turns texts into vectors. All but `provider` is for `openai`: OpenAI's API and compatible ones. */
    embedder: z
      .strictObject({
        provider: z.enum(['offline', 'openai']).default('offline'),
        model: z.string().min(1).max(128).default('text-embedding-3-small'),
        baseUrl: z
          .url({ protocol: /^https?$/ })
          .refine(
            (text) => !/\/\/[^/]*@/.test(text),
            'must be without a name and password: the key belongs into apiKey',
          )
          .optional(),
        apiKey: z.string().min(1).max(4_096).optional(),
        /** Undefined: the model's own. */
        dimensions: z.int().min(8).max(4_096).optional(),
      })
      .prefault({}),
    /** Entries an agent's index holds; the oldest of what was said go first. */
    entriesMax: z.int().min(1_000).max(10_000_000).default(200_000),
  })
  .prefault({});

export type MemoryConfig = z.output<typeof memorySchema>;
