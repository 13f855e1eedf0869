/** Whole frames as a gateway sends them, as zod schemas: for the documents and the tests. */
import { z } from 'zod';
import { EVENTS, eventPosition, GATEWAY_EVENTS } from './events.ts';
import { REPLY_TYPES, type RequestType } from './messages.ts';
import { REPLIES } from './replies.ts';
import { time, wireError } from './shapes.ts';
import { id } from './vocabulary.ts';

function frame(type: string, idSchema: z.ZodType, data: z.ZodType): z.ZodType {
  return z.strictObject({ id: idSchema, type: z.literal(type), timestamp: time, data });
}

/** The reply to a request that went well, by the type of the request. Its `id` is the request's. */
export const REPLY_FRAMES: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  Object.entries(REPLIES).map(([type, data]) => [type, frame(REPLY_TYPES[type as RequestType], id, data)]),
);

/** An event, by its type. */
export const EVENT_FRAMES: Readonly<Record<string, z.ZodType>> = Object.fromEntries([
  ...Object.entries(EVENTS).map(([type, data]) => [
    type,
    frame(type, z.string(), z.strictObject({ ...eventPosition.shape, ...data.shape })),
  ]),
  ...Object.entries(GATEWAY_EVENTS).map(([type, data]) => [type, frame(type, z.string(), data)]),
]);

/** The reply to a request that was refused; its `id` is null where the request's could not be read. */
export const ERROR_FRAME: z.ZodType = z.strictObject({
  id: id.nullable(),
  type: z.literal('error'),
  timestamp: time,
  error: wireError,
});
