import type { RunEnd, runAgent } from '../../src/agent/loop.ts';
import { boundedInput, pieces } from './bounds.ts';
import type { EventStream } from './event-stream.ts';

/**
 * Publishes a run's events as they come and returns its end. `room`: a promise to wait for before the next, while
 * subscribers lag behind.
 */
export async function publishRun(
  stream: EventStream,
  run: string,
  events: ReturnType<typeof runAgent>,
  room: () => Promise<void> | undefined,
): Promise<RunEnd> {
  for await (const event of events) {
    switch (event.type) {
      case 'text':
        for (const text of pieces(event.text)) stream.publish('message.delta', { run, text });
        break;
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
    const waiting = room();
    if (waiting !== undefined) await waiting;
  }
  throw new Error('a run ended without saying how');
}
