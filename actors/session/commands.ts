/** The chat commands: what a person can say to the session itself instead of to its agent. */
import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { FollowUp, PendingApproval, Session, ThinkingLevel } from '../../src/protocol/messages.ts';
import { FOLLOW_UPS, THINKING_LEVELS } from '../../src/protocol/vocabulary.ts';
import type { CommandMemory } from './command-memory.ts';
import { type ContextReport, reportInWords } from './context-report.ts';
import type { Rights, SaidCommand, SessionChanges } from './control.ts';

/** The session as a command sees it. */
export interface CommandTarget {
  readonly session: Session;
  readonly settings: Config['sessions'];
  /** Messages that run and wait. */
  readonly running: number;
  readonly queued: number;
  /** The model that answers now, as a reference. Throws `invalid_request` for one that cannot be used. */
  modelOf(reference: string | null): string;
  /** What the next request to the model would hold. */
  report(): Promise<ContextReport>;
  update(changes: SessionChanges): Promise<unknown>;
  reset(): Promise<unknown>;
  /** Has what was said so far summarized, beside the lane; returns the number of turns. */
  compact(instructions: string): number;
  /** Cancels what runs and waits; returns the messages. */
  stop(): string[];
  /** Tool calls that wait for an operator. */
  readonly pending: readonly PendingApproval[];
  /** Decides on one of them; undefined: the only one. Throws `not_found`, `conflict` and `invalid_request`. */
  approve(approval: string | undefined, allow: boolean): Promise<unknown>;
  /** Undefined: the memory is switched off. */
  readonly memory: CommandMemory | undefined;
}

interface Command {
  /** What may follow its name. */
  argument?: string;
  help: string;
  /** Whether it changes anything, for whoever is in the conversation too. */
  changes?: true;
  /** Whether only an operator may use it. */
  approves?: true;
  /** The answer. May throw a DhaavakError: `invalid_request` becomes the answer. */
  run(target: CommandTarget, argument: string): string | Promise<string>;
}

/** A word that stands for "what it was before anybody chose". */
const DEFAULT = 'default';

const COMMANDS: Record<string, Command> = {
  new: { help: 'begin a new conversation; the transcript is kept', changes: true, run: reset },
  reset: { help: 'the same as /new', changes: true, run: reset },
  stop: { help: 'end the answer being made and all that waits', changes: true, run: stop },
  status: { help: 'what this session is and does', run: status },
  model: { argument: `[model | ${DEFAULT}]`, help: 'show or choose the model', changes: true, run: model },
  think: {
    argument: `[${THINKING_LEVELS.join(' | ')}]`,
    help: 'show or choose how much it thinks',
    changes: true,
    run: think,
  },
  compact: {
    argument: '[what to keep above all]',
    help: 'go on from a summary of what was said',
    changes: true,
    run: compact,
  },
  usage: { help: 'tokens used so far, and what the next request would hold', run: usage },
  queue: {
    argument: `[${FOLLOW_UPS.join(' | ')} | ${DEFAULT}]`,
    help: 'show or choose what becomes of messages during an answer',
    changes: true,
    run: queue,
  },
  remember: {
    argument: '<what>',
    help: 'remember something for later conversations',
    changes: true,
    run: remember,
  },
  forget: { argument: '<id>', help: 'forget something that was remembered', changes: true, run: forget },
  approve: {
    argument: '[id] [yes | no]',
    help: 'let a tool call that waits be made, or not',
    approves: true,
    run: approve,
  },
  help: { help: 'this list', run: help },
  whoami: { help: 'who you are here', run: ({ session }) => `${session.user} on ${session.channel} (${session.id})` },
};

const MEMORY_OFF = 'The memory is switched off.';

/** Mistakes of whoever said it, and answers to it. */
const SAID: ReadonlySet<string> = new Set(['invalid_request', 'not_found', 'conflict', 'context_overflow']);

/** The command a text is; undefined for any other text, a slash and an unknown word included. */
export function commandIn(text: string): SaidCommand | undefined {
  if (text[0] !== '/') return undefined;
  const [, name, argument = ''] = /^\/([a-z]+)(?:\s+([\s\S]*))?$/i.exec(text.trimEnd()) ?? [];
  const known = name?.toLowerCase();
  return known !== undefined && Object.hasOwn(COMMANDS, known) ? { name: known, argument: argument.trim() } : undefined;
}

/** What a text says to the agent: two slashes before a command stand for one. */
export function unescaped(text: string): string {
  return text.startsWith('//') && commandIn(text.slice(1)) !== undefined ? text.slice(1) : text;
}

/**
 * Does what was said and returns the answer. Who may not change things (in a group: whoever is no admin) may still ask.
 * Throws only what is no mistake of who said it.
 */
export async function answerCommand(
  target: CommandTarget,
  { name, argument }: SaidCommand,
  rights: Rights,
): Promise<string> {
  const command = COMMANDS[name] as Command;
  const asks = command.argument !== undefined && argument === '' && name !== 'compact';
  if (command.approves && !rights.approve) return `Only an operator may use /${name}.`;
  if (command.changes && !rights.change && !asks) return `Only an admin may use /${name} here.`;
  try {
    return await command.run(target, argument);
  } catch (error) {
    if (error instanceof DhaavakError && SAID.has(error.code)) return error.message;
    throw error;
  }
}

async function reset(target: CommandTarget): Promise<string> {
  await target.reset();
  return 'A new conversation.';
}

function stop(target: CommandTarget): string {
  const { length } = target.stop();
  return length === 0 ? 'There is nothing to stop.' : `Stopped: ${length} ${length === 1 ? 'message' : 'messages'}.`;
}

function status({ session, settings, running, queued, modelOf }: CommandTarget): string {
  return [
    `session: ${session.id}`,
    `agent: ${session.agent}`,
    `model: ${modelOf(session.model)}`,
    `thinking: ${session.thinkingLevel}`,
    `messages during an answer: ${session.followUp ?? settings.followUp}`,
    `now: ${running} running, ${queued} waiting`,
    `tokens used: ${session.tokensUsed}`,
  ].join('\n');
}

async function model({ session, update, modelOf }: CommandTarget, argument: string): Promise<string> {
  if (argument === '') return `The model is ${modelOf(session.model)}.`;
  const chosen = argument === DEFAULT ? null : argument;
  const reference = modelOf(chosen);
  await update({ model: chosen });
  return `The model is now ${reference}.`;
}

async function think({ session, update }: CommandTarget, argument: string): Promise<string> {
  if (argument === '') return `Thinking is ${session.thinkingLevel}.`;
  if (!THINKING_LEVELS.includes(argument as ThinkingLevel)) return usageOf('think');
  await update({ thinkingLevel: argument as ThinkingLevel });
  return `Thinking is now ${argument}.`;
}

async function queue({ session, settings, update }: CommandTarget, argument: string): Promise<string> {
  if (argument === '') return `Messages during an answer: ${session.followUp ?? settings.followUp}.`;
  const chosen = argument === DEFAULT ? null : (argument as FollowUp);
  if (chosen !== null && !FOLLOW_UPS.includes(chosen)) return usageOf('queue');
  await update({ followUp: chosen });
  return `Messages during an answer are now: ${chosen ?? settings.followUp}.`;
}

async function approve(target: CommandTarget, argument: string): Promise<string> {
  const words = argument.split(/\s+/).filter((word) => word !== '');
  const last = words.at(-1)?.toLowerCase();
  const verdict = last === 'yes' || last === 'no' ? words.pop() : 'yes';
  if (words.length > 1) return usageOf('approve');
  const [id] = words;
  const one = target.pending.find(({ approval }) => id === undefined || approval === id);
  await target.approve(id, verdict?.toLowerCase() === 'yes');
  return `${verdict?.toLowerCase() === 'yes' ? 'Approved' : 'Refused'}: ${one?.name} ${JSON.stringify(one?.input)}`;
}

async function remember({ memory }: CommandTarget, argument: string): Promise<string> {
  if (argument === '') return usageOf('remember');
  if (memory === undefined) return MEMORY_OFF;
  return `Remembered; /forget ${await memory.save(argument)} takes it back.`;
}

async function forget({ memory }: CommandTarget, argument: string): Promise<string> {
  if (argument === '') return usageOf('forget');
  if (memory === undefined) return MEMORY_OFF;
  return (await memory.forget(argument))
    ? 'Forgotten.'
    : `There is nothing under ${argument} that can be forgotten here.`;
}

function compact(target: CommandTarget, argument: string): string {
  const turns = target.compact(argument);
  if (turns === 0) return 'There is nothing to summarize.';
  return `Summarizing ${turns} ${turns === 1 ? 'turn' : 'turns'}; the transcript keeps all of it.`;
}

async function usage({ session, report }: CommandTarget): Promise<string> {
  return reportInWords(await report(), session.tokensUsed, session.costUsed);
}

function help(): string {
  const lines = Object.keys(COMMANDS).map((name) => `${usageOf(name)}: ${COMMANDS[name]?.help}`);
  return [...lines, 'Anything else goes to the agent; //help says "/help" to it.'].join('\n');
}

function usageOf(name: string): string {
  const argument = COMMANDS[name]?.argument;
  return argument === undefined ? `/${name}` : `/${name} ${argument}`;
}
