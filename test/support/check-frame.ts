/** Whether a gateway sends what its protocol says: every frame a test's client gets is held against the schemas. */
import { z } from 'zod';
import { ERROR_FRAME, EVENT_FRAMES, REPLY_FRAMES } from '../../src/protocol/sent-frames.ts';

const ANY_REPLY = z.union(Object.values(REPLY_FRAMES));

/**
 * What is wrong with a frame from a gateway, as an error; undefined: nothing. A field that no schema has is wrong, too.
 *
 * @param asked the type of the request with its id; undefined where nobody knows
 */
export function faultOf(frame: { type: string }, asked: string | undefined): Error | undefined {
  const reply = asked === undefined ? ANY_REPLY : (REPLY_FRAMES[asked] ?? z.never());
  const schema = frame.type === 'error' ? ERROR_FRAME : (EVENT_FRAMES[frame.type] ?? reply);
  const { error } = schema.safeParse(frame);
  if (error === undefined) return undefined;
  const what = z.prettifyError(error);
  return new Error(`the gateway sent a frame against its protocol: ${JSON.stringify(frame).slice(0, 2_000)}\n${what}`);
}
