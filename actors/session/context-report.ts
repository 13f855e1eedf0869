import type { Calibration } from '../../src/agent/calibration.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { Packer } from '../../src/agent/packer.ts';
import { estimateTokens, tokenFamilyOf } from '../../src/agent/tokens.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Replies } from '../../src/protocol/messages.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { SessionRecord } from './record.ts';
import type { Runner } from './runner.ts';
import type { Transcript } from './transcript.ts';
import { newTurn } from './turn.ts';

export type ContextReport = Replies['session.context'];

export interface ReportParts {
  shared: SessionDependencies;
  record: SessionRecord;
  transcript: Transcript;
  runner: Runner;
  calibration: Calibration;
  agentId(): string;
  models(): { line: ModelLine };
}

/**
 * What the request of the next message would hold, without that message. Throws `not_found`, `invalid_request` for a model
 * that cannot be used, and `context_overflow` where the prompt alone is too long.
 */
export async function contextReport(parts: ReportParts): Promise<ContextReport> {
  const { calibration, record, runner, shared, transcript } = parts;
  const { config, workspaces } = shared;
  const session = record.existing();
  const agent = parts.agentId();
  const { current } = parts.models().line;
  const packer = new Packer(
    {
      system: await workspaces.systemPrompt(agent),
      messages: [],
      history: transcript.history(),
      tools: runner.toolsFor(newTurn('', ''), session),
      outputTokensMax: config.models.outputTokensMax,
    },
    calibration,
  );
  const sent = packer.pack(current, [], session.thinkingLevel);
  const ratio = calibration.ratioOf(current.reference);
  const { prompt } = config.agents[agent] as Config['agents'][string];
  const { memory: _, ...sizes } = sent.sizes;
  const system = Math.min(sizes.system, Math.ceil(estimateTokens(prompt, tokenFamilyOf(current.name)) * ratio));
  const memory = runner.recalledTokens;
  return {
    session: session.id,
    model: current.reference,
    window: sent.window.tokens,
    windowSource: sent.window.source,
    room: sent.room,
    total: sent.tokens + memory,
    tokens: { ...sizes, system, workspace: sizes.system - system, memory },
    turnsLeft: sent.trimmed.turns,
    ratio,
    summaries: transcript.summaries,
  };
}

/** The same in words, with what was spent so far: micro-dollars. */
export function reportInWords(report: ContextReport, tokensUsed: number, costUsed: number): string {
  const { model, window, windowSource, room, total, tokens, turnsLeft, summaries } = report;
  const line = (name: string, count: number) => `${name}: ${count} tokens, ${Math.round((100 * count) / room)} %`;
  const cost = costUsed > 0 ? `, ${(costUsed / 1e6).toFixed(4)} dollars` : '';
  return [
    `Tokens used in this session: ${tokensUsed}${cost}.`,
    `Model: ${model}, window ${window} tokens (${WINDOW_SOURCES[windowSource]}), of which ${room} may be sent.`,
    line('The next request, without your message', total),
    line('- system', tokens.system),
    line('- workspace', tokens.workspace),
    line('- tools', tokens.tools),
    line('- memory', tokens.memory),
    line('- summary', tokens.summary),
    line('- turns', tokens.turns),
    line('- tool results', tokens.results),
    ...(turnsLeft > 0 ? [`Turns that do not fit: ${turnsLeft}.`] : []),
    `Summaries so far: ${summaries}.`,
  ].join('\n');
}

const WINDOW_SOURCES: Readonly<Record<ContextReport['windowSource'], string>> = {
  configured: 'as configured',
  known: 'known of its family',
  default: 'nobody knows it: a safe guess',
  refused: 'it has refused more',
};
