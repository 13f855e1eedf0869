/**
 * What the channels' thread asks of a shard, as frames of the wire protocol's shape. No client can: the front end knows no
 * such types, and a shard takes them from records of a kind of their own only (`RECORD.channelRequest`).
 */
import type { Attachment, Delivery, ImageType, MessageOrigin } from '../protocol/messages.ts';

export interface ChannelRequests {
  /** A message that somebody may send: journalled, then acknowledged; the session is made when it is not there. */
  'channel.message': {
    /** What was said: a command is recognised by it. */
    said: string;
    /** What the agent is told before it: who said it in a group, and what was said there since it was last told. */
    before: string;
    images: { type: Attachment['type']; mediaType: ImageType; data: Uint8Array }[];
    origin: MessageOrigin;
    /** Idempotency keys: `<platform>:<account>:<update>` of each message that was joined into this one, at least one. */
    keys: string[];
    /** Whether the sender may use the commands that change things. */
    mayChange: boolean;
    /** Whether the sender may decide on tool calls that wait for an operator. */
    mayApprove: boolean;
  };
  /** An answer that did not reach its channel, or may not have. */
  'channel.delivery': {
    message: string;
    entry?: number;
    place: Pick<MessageOrigin, 'channel' | 'account'>;
    delivery: Delivery;
  };
  /** An operator's answer to a tool call that waits for one. */
  'channel.approve': {
    approval: string;
    allow: boolean;
    /** The operator's name, and their channel and id: `telegram:123`. */
    by: string;
    via: string;
  };
}

export interface ChannelReplies {
  'channel.message': { message: string; duplicate?: true; command?: true };
  'channel.delivery': Record<string, never>;
  'channel.approve': Record<string, never>;
}

export type ChannelRequestType = keyof ChannelRequests;
