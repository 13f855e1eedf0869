/**
 * Dhaavak as an MCP server: an assistant on the desktop talks to agents, reads what was said and sees which sessions there
 * are. It may do what the token it was started with may.
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import type { Client, Run } from '../client/client.ts';
import type { HistoryEntry } from '../protocol/messages.ts';
import { VERSION } from '../version.ts';
import { listSessions } from './session-requests.ts';

/** Messages that are waited for at a time. */
const SENDS_MAX = 16;
const SEND_SECONDS = 300;
const SEND_SECONDS_MAX = 3_600;
/** Clients give up on a call that is silent for long: while an answer is waited for, that is said so often. */
const PROGRESS_MS = 5_000;
/** Of one entry of a history, in UTF-16 code units; `dhaavak export` has all. */
const ENTRY_LENGTH_MAX = 4_000;
/** Of a tool's result. */
const RESULT_LENGTH_MAX = 100_000;

const session = z.string().min(1).max(512).describe('Key of the session, as list_sessions has it.');

interface Result {
  [field: string]: unknown;
  content: { type: 'text'; text: string }[];
  isError?: boolean;
}

/** What a call has of its client. */
interface Call {
  signal: AbortSignal;
  /** Tells that it goes on; nothing where the client did not ask for that. */
  progress(message: string): void;
}

/** @param connect called for each tool call; what it throws is the call's error */
export function createMcpServer(connect: () => Promise<Client>): McpServer {
  const server = new McpServer({ name: 'dhaavak', version: VERSION });
  let sends = 0;

  server.registerTool(
    'send_message',
    {
      title: 'Send a message to a Dhaavak agent',
      description:
        'Sends a message to a session of a Dhaavak agent, waits for the answer and returns it. The agent remembers what was said in its session.',
      inputSchema: {
        text: z.string().min(1).max(100_000).describe('The message.'),
        session: session.optional().describe('Key of the session. Without it: the main session of the main agent.'),
        timeout_seconds: z
          .int()
          .min(1)
          .max(SEND_SECONDS_MAX)
          .default(SEND_SECONDS)
          .describe('How long to wait for the answer. The agent goes on after that.'),
      },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    },
    async ({ text, session, timeout_seconds }, extra) => {
      if (sends >= SENDS_MAX) return failed(`${SENDS_MAX} messages wait for their answers: wait for one of them first`);
      sends += 1;
      try {
        return await attempt(async () => {
          const client = await connect();
          return answer(client.run({ session, text }), timeout_seconds * 1_000, callOf(extra));
        });
      } finally {
        sends -= 1;
      }
    },
  );

  server.registerTool(
    'read_history',
    {
      title: 'Read what was said in a session',
      description: 'Returns entries of a transcript as JSON, the newest last. "more" says that there are older ones.',
      inputSchema: {
        session,
        limit: z.int().min(1).max(100).default(20).describe('How many entries.'),
        before: z.int().min(1).optional().describe('Only entries older than the one with this seq.'),
      },
      annotations: { readOnlyHint: true },
    },
    ({ session, limit, before }) =>
      attempt(async () => {
        const client = await connect();
        const data = { session, limit, ...(before === undefined ? {} : { before }) };
        const { entries, more } = await client.request('session.history', data);
        return succeeded({ session, entries: entries.map(shortened), more });
      }),
  );

  server.registerTool(
    'list_sessions',
    {
      title: 'List the sessions of Dhaavak agents',
      description: 'Returns sessions as JSON: their keys, agents and who they are with.',
      inputSchema: {
        agent: z.string().min(1).max(64).optional().describe('Of this agent only.'),
        type: z.enum(['main', 'dm', 'group']).optional().describe('Of this type only.'),
        channel: z.string().min(1).max(64).optional().describe('Of this channel only, such as telegram.'),
        limit: z.int().min(1).max(500).default(50).describe('How many at most.'),
      },
      annotations: { readOnlyHint: true },
    },
    ({ limit, ...filter }) =>
      attempt(async () => succeeded({ sessions: await listSessions(await connect(), without(filter), limit) })),
  );

  return server;
}

/** Waits for the end of a run. When it takes too long the run goes on; when the client cancels the call it is cancelled. */
async function answer(run: Run, timeoutMs: number, { signal, progress }: Call): Promise<Result> {
  const cancel = (): void => run.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  let state = 'the agent has not begun';
  const telling = setInterval(() => progress(state), PROGRESS_MS);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result>((resolve) => {
    timer = setTimeout(() => {
      resolve(
        failed(`No answer within ${timeoutMs / 1_000} s: ${state}. It goes on; read_history will have the answer.`),
      );
    }, timeoutMs);
  });
  const ended = end(run, (now) => {
    state = now;
    progress(now);
  });
  try {
    return await Promise.race([ended, late]);
  } finally {
    ended.catch(() => {}); // nobody waits any more
    clearTimeout(timer);
    clearInterval(telling);
    signal.removeEventListener('abort', cancel);
  }
}

async function end(run: Run, tell: (state: string) => void): Promise<Result> {
  let text = '';
  for await (const { type, data } of run) {
    if (type === 'run.start') tell('the agent is at work');
    else if (type === 'message.outbound') text = data.text;
    else if (type === 'tool.start') tell(`the agent calls ${data.name}`);
    else if (type === 'approval.requested') {
      tell(`it waits for an operator: dhaavak approve ${data.session} ${data.approval}`);
    } else if (type === 'run.end') {
      if (data.status === 'ok') return said(text);
      return failed(`The run ended as ${data.status}: ${data.error?.message ?? 'no reason is known'}`);
    }
  }
  return failed('The connection to the gateway ended before the answer came; read_history may have it.');
}

/** Whatever goes wrong is a result that says so: the assistant can tell its person. */
async function attempt(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    return failed((error as Error).message);
  }
}

interface Extra {
  signal: AbortSignal;
  _meta?: { progressToken?: string | number | undefined } | undefined;
  sendNotification(notification: {
    method: 'notifications/progress';
    params: { progressToken: string | number; progress: number; message: string };
  }): Promise<void>;
}

function callOf({ signal, _meta, sendNotification }: Extra): Call {
  const { progressToken } = _meta ?? {};
  let count = 0;
  return {
    signal,
    progress(message) {
      if (progressToken === undefined) return;
      count += 1;
      const params = { progressToken, progress: count, message };
      sendNotification({ method: 'notifications/progress', params }).catch(() => {}); // the client has gone
    },
  };
}

function shortened({ seq, role, text, timestamp, toolCalls, toolCall, status }: HistoryEntry) {
  const cut = text.length > ENTRY_LENGTH_MAX;
  return {
    seq,
    role,
    at: new Date(timestamp).toISOString(),
    text: cut ? `${text.slice(0, ENTRY_LENGTH_MAX)} [cut]` : text,
    ...(toolCalls && { called: toolCalls.map(({ name }) => name) }),
    ...(toolCall && { answers: toolCall.name }),
    ...(status && { status }),
  };
}

/** Without the fields that were not given. */
function without<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as typeof fields &
    object;
}

function said(text: string): Result {
  const cut = text.length > RESULT_LENGTH_MAX;
  return { content: [{ type: 'text', text: cut ? `${text.slice(0, RESULT_LENGTH_MAX)}\n[cut]` : text }] };
}

function succeeded(value: unknown): Result {
  return said(JSON.stringify(value, undefined, 1));
}

function failed(text: string): Result {
  return { ...said(text), isError: true };
}
