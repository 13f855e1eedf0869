/** The tools in the configuration: who may call which, in a sandbox or not, and which calls need an operator. */
import { z } from 'zod';
import { mcpSchema } from './mcp.ts';
import { reachShape } from './reach.ts';
import { codeSchema, sandboxHostsSchema } from './sandbox.ts';
import { browserSchema, webSchema } from './web.ts';

/** Which sessions are kept in a sandbox; with `off` none, and those that are not main lack what would need one. */
export const sandboxMode = z.enum(['off', 'non-main', 'always']);

/** Tools by name, `group:files` for those of a group, `*` for all. That they are there is checked by the registry. */
export const toolNames = z.array(z.string().min(1).max(96)).max(1_000);

/** What reaches beyond a conversation: by default only main sessions, which are the operator's own, have it. */
const REACHING = [
  'group:files',
  'group:exec',
  'group:browser',
  'group:sessions',
  'group:message',
  'group:mcp',
  'group:plugin',
];

/** One level of the policy. It can only take away. */
function level(denied: string[] = []) {
  return z.strictObject({ allow: toolNames.default(['*']), deny: toolNames.default(denied) });
}

/** `*` stands for any text, `?` for a character: see `tools/pattern.ts` for what that excludes. */
const pattern = z.string().max(256);

const rule = z.strictObject({
  tools: toolNames.min(1),
  /** Undefined: calls of any agent. */
  agents: z.array(z.string().min(1)).min(1).max(100).optional(),
  /** By field of the input; all must match. Undefined: any input. */
  input: z.record(z.string().min(1).max(64), pattern).optional(),
  risk: z.enum(['safe', 'ask', 'forbid']),
});

const milliseconds = z
  .int()
  .positive()
  .max(24 * 3_600_000);

/** Of the tools `files.*`. */
const files = z
  .strictObject({
    /** Of a file that is written or edited. More would hold up a shard while it is read as text. */
    fileBytesMax: z
      .int()
      .min(1_024)
      .max(4 * 1_048_576)
      .default(1_048_576),
  })
  .prefault({});

/** Of the tool `exec`. */
const exec = z
  .strictObject({
    timeoutMs: milliseconds.default(300_000),
    processesMax: z.int().min(1).max(1_000).default(32),
    backgroundMax: z.int().min(0).max(100).default(4),
    backgroundMs: milliseconds.default(3_600_000),
    env: z
      .array(
        z
          .string()
          .regex(/^[A-Za-z_]\w{0,127}$/, 'must be the name of a variable')
          .refine(
            (name) => !/^(DHAAVAK_|ANTHROPIC_API_KEY$|OPENAI_API_KEY$)/.test(name),
            "is the gateway's own secret",
          ),
      )
      .max(100)
      .default(['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ']),
    /** Of each process. Below 512 some programs, such as Node, do not start. */
    memoryMb: z.int().min(64).max(1_048_576).default(4_096),
    cpuSeconds: z
      .int()
      .min(1)
      .max(24 * 3_600)
      .default(3_600),
    fileMb: z.int().min(1).max(1_048_576).default(1_024),
    processesPerCommand: z.int().min(8).max(100_000).default(256),
    network: z.boolean().default(false),
    readOnly: z
      .array(z.string().regex(/^\/[^/]/, 'must be an absolute path, and not / itself'))
      .max(32)
      .default([]),
  })
  .prefault({});

export const toolsSchema = z
  .strictObject({
    allow: toolNames.default(['*']),
    deny: toolNames.default([]),
    types: z
      .strictObject({
        main: level().prefault({}),
        dm: level(REACHING).prefault({}),
        group: level(REACHING).prefault({}),
      })
      .prefault({}),
    channels: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a channel is a lower-case word'), level())
      .default({}),
    senders: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,31}:.{1,128}$/, 'a sender is such as telegram:123'), level())
      .default({}),
    sandbox: sandboxMode.default('non-main'),
    rules: z.array(rule).max(1_000).default([]),
    approvalTimeoutMs: milliseconds.default(300_000),
    files,
    exec,
    ...reachShape,
    sandboxHosts: sandboxHostsSchema,
    code: codeSchema,
    web: webSchema,
    browser: browserSchema,
    mcp: mcpSchema,
  })
  .prefault({});

export type ToolsConfig = z.output<typeof toolsSchema>;
export type ToolRule = ToolsConfig['rules'][number];
