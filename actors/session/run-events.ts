import type { RunEnd, runAgent } from '../../src/agent/loop.ts';
import { TEXT_LENGTH_MAX } from '../../src/protocol/limits.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import { boundedInput, pieces } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { InnerCalls } from './inner-calls.ts';
import type { RunRecord } from './run-record.ts';

/** A run that is going on. */
export interface LiveRun {
  readonly id: string;
  /** The message it began with. */
  readonly message: string;
  /** What its tool calls call. */
  readonly inner: InnerCalls;
  /** What its model has written since the last tool call, at most as much as a frame holds. */
  text: string;
}

/**
 * Writes down and publishes a run's events as they come and returns its end, waiting while subscribers lag behind.
 */
export async function publishRun(
  stream: EventStream,
  live: LiveRun,
  events: ReturnType<typeof runAgent>,
  record: RunRecord,
  signal: AbortSignal,
  shared: SessionDependencies,
): Promise<RunEnd> {
  const run = live.id;
  for await (const event of events) {
    switch (event.type) {
      case 'text':
        if (live.text.length < TEXT_LENGTH_MAX) live.text += event.text;
        for (const text of pieces(event.text)) stream.publish('message.delta', { run, text });
        break;
      case 'model': {
        const { reference: model, error } = event;
        stream.publish('run.model', { run, model, error: error.toWire() });
        shared.log.warn({ session: stream.session, run, model, error }, 'another model is asked');
        break;
      }
      case 'trimmed': {
        const { reference: model, error, trimmed } = event;
        const { turns, results, rounds } = trimmed;
        stream.publish('run.trimmed', { run, model, error: error.toWire(), turns, results, rounds });
        shared.log.info({ session: stream.session, run, model, error, trimmed }, 'asked again with less');
        break;
      }
      case 'calls':
        failpoint('model.after');
        await record.intend(event.text, event.calls, signal);
        live.text = '';
        break;
      case 'toolStart': {
        const { id: call, name, input } = event.call;
        live.inner.opened(call);
        stream.publish('tool.start', { run, call, name, input: boundedInput(input) });
        break;
      }
      case 'toolEnd': {
        const { call, output, failed } = event;
        await record.done(call, event, signal);
        const calls = live.inner.closed(call.id);
        const made = calls > 0 ? { calls } : {};
        stream.publish('tool.end', { run, call: call.id, name: call.name, output, failed, ...made });
        break;
      }
      case 'end':
        return event;
    }
    const waiting = shared.room();
    if (waiting !== undefined) await waiting;
  }
  throw new Error('a run ended without saying how');
}
