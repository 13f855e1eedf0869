/** The MCP servers in the configuration, `tools.mcp.servers.<name>`: each a program that is started, or a URL. */
import { z } from 'zod';

/** A server's tools are named `mcp.<server>.<tool>`: this leaves room for the tool in the 64 characters of a name. */
const SERVER_NAME_LENGTH_MAX = 24;
const SERVERS_MAX = 32;
/** A day: a limit that is longer is a mistake. */
const TIMEOUT_MS_MAX = 24 * 3_600_000;

const timeoutMs = z.int().min(100).max(TIMEOUT_MS_MAX);
/** Undefined where a `${NAME}` was empty: as if it were not listed. */
const secrets = z.record(z.string().min(1).max(256), z.string().max(16_384).optional());

const server = z
  .strictObject({
    /** A program that speaks MCP on its standard input and output. */
    command: z.string().min(1).max(4_096).optional(),
    args: z.array(z.string().max(16_384)).max(256).optional(),
    /** All it is told of the environment, besides what any program needs (`PATH`, `HOME`, …). */
    env: secrets.optional(),
    /** Absolute once loaded. Undefined: the gateway's own. */
    cwd: z.string().min(1).max(4_096).optional(),
    /** A server of the streamable HTTP transport. */
    url: z.url({ protocol: /^https?$/ }).optional(),
    headers: secrets.optional(),
    /** Its tools are called without an operator, and their hints are believed. */
    trust: z.boolean().default(false),
    connectTimeoutMs: timeoutMs.default(30_000),
    callTimeoutMs: timeoutMs.default(60_000),
  })
  .superRefine(({ command, args, env, cwd, url, headers }, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
    if ((command === undefined) === (url === undefined)) {
      refuse('needs either command (a program to start) or url (a server that runs)');
    } else if (command === undefined && (args ?? env ?? cwd) !== undefined) {
      refuse('args, env and cwd are for a server with a command; one with a url takes headers');
    } else if (url === undefined && headers !== undefined) {
      refuse('headers are for a server with a url; one with a command takes env');
    }
  });

export const mcpSchema = z
  .strictObject({
    servers: z
      .record(
        z
          .string()
          .max(SERVER_NAME_LENGTH_MAX, `an MCP server has a name of at most ${SERVER_NAME_LENGTH_MAX} characters`)
          .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'an MCP server is named by lower-case words joined by hyphens'),
        server,
      )
      .refine(
        (servers) => Object.keys(servers).length <= SERVERS_MAX,
        `there may be ${SERVERS_MAX} MCP servers at most`,
      )
      .default({}),
  })
  .prefault({});

export type McpConfig = z.output<typeof mcpSchema>;
export type McpServerConfig = McpConfig['servers'][string];
