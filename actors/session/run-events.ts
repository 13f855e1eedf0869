import type { RunEnd, runAgent } from '../../src/agent/loop.ts';
import { boundedInput, pieces } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';

/**
 * Publishes a run's events as they come and returns its end, waiting while subscribers lag behind.
 */
export async function publishRun(
  stream: EventStream,
  run: string,
  events: ReturnType<typeof runAgent>,
  shared: SessionDependencies,
): Promise<RunEnd> {
  for await (const event of events) {
    switch (event.type) {
      case 'text':
        for (const text of pieces(event.text)) stream.publish('message.delta', { run, text });
        break;
      case 'model': {
        const { reference: model, error } = event;
        stream.publish('run.model', { run, model, error: error.toWire() });
        shared.log.warn({ session: stream.session, run, model, error }, 'another model is asked');
        break;
      }
      case 'toolStart': {
        const { id: call, name, input } = event.call;
        stream.publish('tool.start', { run, call, name, input: boundedInput(input) });
        break;
      }
      case 'toolEnd': {
        const { call, output, failed } = event;
        stream.publish('tool.end', { run, call: call.id, name: call.name, output, failed });
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
