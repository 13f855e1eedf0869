/**
 * `exec`, `exec.poll`, `exec.list`, `exec.kill`: commands on the gateway's machine, in the agent's workspace. For a session
 * that is kept in a sandbox, in one or not at all.
 */
import { z } from 'zod';
import type { Config } from '../../config/schema.ts';
import { segmentsOf } from '../files/path.ts';
import { type CallerContext, defineTool, type Tool } from '../tool.ts';
import type { Command } from './command.ts';
import { commandEnvironment } from './environment.ts';
import type { HostLink } from './host-link.ts';

const COMMAND_LENGTH_MAX = 16_384;
const ARGUMENTS_MAX = 256;
/** Of a call that doesn't say, in milliseconds. */
const TIMEOUT_DEFAULT_MS = 60_000;
const POLL_WAIT_MAX_MS = 60_000;

const execInput = z
  .strictObject({
    command: z.string().min(1).max(COMMAND_LENGTH_MAX).optional().describe('For the shell. Either this or argv.'),
    argv: z
      .array(z.string().max(COMMAND_LENGTH_MAX))
      .min(1)
      .max(ARGUMENTS_MAX)
      .optional()
      .describe('Program and arguments, without a shell.'),
    cwd: z.string().max(2_048).default('.').describe('A folder of the workspace.'),
    timeoutMs: z
      .int()
      .min(100)
      .max(24 * 3_600_000)
      .optional()
      .describe('Then it is ended.'),
    background: z.boolean().default(false).describe('Go on without waiting for its end.'),
  })
  .refine(({ command, argv }) => (command === undefined) !== (argv === undefined), 'give either command or argv')
  .refine(({ argv = [], command = '' }) => ![command, ...argv].some((text) => text.includes('\0')), 'no NUL, please');

type ExecInput = z.output<typeof execInput>;

const processInput = z.strictObject({ process: z.string().min(1).max(32).describe('Such as "p1".') });

export function createExecTools({ home, tools }: Pick<Config, 'home' | 'tools'>): Tool[] {
  const settings = tools.exec;
  const { processesMax, backgroundMax } = settings;
  const env = commandEnvironment(settings.env, process.env);
  let link: Promise<HostLink> | undefined;
  /** Loaded and started with the first call. */
  const host = (): Promise<HostLink> => {
    link ??= import('./host-link.ts').then(({ HostLink }) => new HostLink({ processesMax, backgroundMax }, env));
    return link;
  };
  const commandOf = (input: ExecInput, { caller }: CallerContext): Command => {
    const { network, readOnly, timeoutMs, backgroundMs } = settings;
    const { memoryMb, cpuSeconds, fileMb, processesPerCommand } = settings;
    const longest = input.background ? backgroundMs : timeoutMs;
    return {
      session: caller.session,
      root: caller.workspace,
      home,
      argv: input.argv ?? ['/bin/sh', '-c', input.command as string],
      folder: segmentsOf(input.cwd, caller.workspace),
      env,
      timeoutMs: Math.min(longest, input.timeoutMs ?? (input.background ? longest : TIMEOUT_DEFAULT_MS)),
      limits: { memoryMb, cpuSeconds, fileMb, processesPerCommand },
      sandbox: caller.sandboxed ? { network, readOnly } : undefined,
    };
  };
  const exec = defineTool({
    name: 'exec',
    group: 'exec',
    description:
      'Runs a command in the workspace and returns its exit code and what it wrote, of much only beginning and end. It has no terminal and no input. With background it goes on; see exec.poll.',
    input: execInput,
    risk: 'ask',
    safeToRepeat: false,
    returns: 'string',
    binding: async (input, { caller }) =>
      (await import('./binding.ts')).bindingOf(commandOf(input, { caller } as CallerContext)),
    async handler(input, context) {
      const command = commandOf(input, context);
      return (await host()).call({ type: input.background ? 'start' : 'run', command }, context.signal);
    },
    sessionEnded: (session) => void link?.then((host) => host.endSession(session)),
    close: async () => (await link)?.close(),
  });
  return [exec, ...processTools(host)];
}

/** What may be done with a session's processes in the background. */
function processTools(host: () => Promise<HostLink>): Tool[] {
  return [
    defineTool({
      name: 'exec.poll',
      group: 'exec',
      description: 'Tells what a background process has written since the last time, and whether and how it ended.',
      input: processInput.extend({
        waitMs: z.int().min(0).max(POLL_WAIT_MAX_MS).default(0).describe('Wait so long for its end first.'),
      }),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      handler: async ({ process, waitMs }, { caller, signal }) =>
        (await host()).call({ type: 'poll', id: { session: caller.session, process }, waitMs }, signal),
    }),
    defineTool({
      name: 'exec.list',
      group: 'exec',
      description: 'Lists the background processes of this conversation, those that have ended included.',
      input: z.strictObject({}),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      handler: async (_, { caller, signal }) => (await host()).call({ type: 'list', session: caller.session }, signal),
    }),
    defineTool({
      name: 'exec.kill',
      group: 'exec',
      description: 'Ends a background process, with all it has started.',
      input: processInput,
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      handler: async ({ process }, { caller, signal }) =>
        (await host()).call({ type: 'kill', id: { session: caller.session, process } }, signal),
    }),
  ];
}
