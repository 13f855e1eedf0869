import { z } from 'zod';
import { isSubAgent } from '../../../actors/session/kin.ts';
import { DhaavakError } from '../../protocol/errors.ts';
import type { OutboxKey, OutboxRecord } from '../../storage/outbox.ts';
import { laneOf } from '../../storage/outbox.ts';
import { callKey, chatOf, type SessionDesk } from '../sessions/desk.ts';
import { defineTool, type Tool, type ToolCaller } from '../tool.ts';
import { type ChatTarget, formatTarget, isSameChat, targetOf } from './target.ts';

/** In Unicode code points. */
const TEXT_LENGTH_MAX = 16_000;

const input = z.strictObject({
  text: z.string().min(1).max(TEXT_LENGTH_MAX).describe('Markdown.'),
  to: z
    .string()
    .max(256)
    .optional()
    .describe(
      'Such as telegram:123, telegram/work:123 or slack:C12/1712.0001. Without it: the chat this session belongs to.',
    ),
});

type Input = z.output<typeof input>;

/**
 * `message.send`: a text to a chat, through the outbox. The chat of the session, and those of `tools.message.targets`, need
 * nobody's approval; every other one does. The record and the call's key are one commit, so a call that is made again after
 * a crash sends nothing more.
 */
export function messageSend(desk: SessionDesk): Tool {
  const { newId, now, poke, store } = desk;
  return defineTool<Input>({
    name: 'message.send',
    group: 'message',
    description:
      'Sends a text to a chat on a channel now, beside your answer. Use it for a chat other than the one you answer in, or for what cannot wait for the end of your answer; your answer itself is sent by itself.',
    input,
    risk: 'ask',
    riskOf: ({ to }, { caller }) => (isFree(desk, placeOf(desk, to, caller), caller) ? 'safe' : 'ask'),
    safeToRepeat: true,
    returns: 'string',
    async handler(given, context) {
      const { caller } = context;
      const target = placeOf(desk, given.to, caller);
      const account = `${target.channel}:${target.account}`;
      const scope = `channel:${account}`;
      const used = callKey(context, given);
      const done = `It is on its way to ${formatTarget(target)}.`;
      if (store.keys.owner(scope, used, now()) !== undefined) return done;
      const key: OutboxKey = [account, laneOf(target.chat), newId()];
      if (!store.outbox.hasRoom(key[0], key[1])) {
        throw new Error('too many messages wait to be sent to this chat: try again later, and send less');
      }
      const { chat } = target;
      const about = { session: caller.session, message: caller.message };
      const record: OutboxRecord = { chat, text: given.text, createdAt: now(), sent: [], ...about };
      try {
        await store.journal.commit((batch) => {
          store.outbox.put(batch, key, record);
          store.keys.put(batch, scope, used, { message: key[2], seq: 0 }, now());
        });
      } catch (error) {
        throw new Error(`it was not sent: ${error instanceof DhaavakError ? error.message : 'it could not be kept'}`);
      }
      poke(key);
      return done;
    },
  });
}

/** The chat that is meant. Throws an Error for a model. */
function placeOf({ config, store }: SessionDesk, to: string | undefined, caller: ToolCaller): ChatTarget {
  if (to !== undefined) return targetOf(to, config.channels);
  const origin = isSubAgent(caller.session) ? undefined : chatOf(store, caller);
  if (origin === undefined) throw new Error('this session belongs to no chat on a channel: say where to with `to`');
  return origin;
}

/** Whether no operator has to be asked. */
function isFree({ config, store }: SessionDesk, target: ChatTarget, caller: ToolCaller): boolean {
  const own = isSubAgent(caller.session) ? undefined : chatOf(store, caller);
  if (own !== undefined && isSameChat(target, own)) return true;
  return config.tools.message.targets.some((to) => isConfigured(to, target, config.channels));
}

/** Whether an entry of the configuration names the chat; one of an account that is off names none. */
function isConfigured(to: string, target: ChatTarget, channels: SessionDesk['config']['channels']): boolean {
  try {
    return isSameChat(targetOf(to, channels), target);
  } catch {
    return false;
  }
}
