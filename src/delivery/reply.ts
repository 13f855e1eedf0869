import type { Capabilities, Chat } from '../channels/adapter.ts';

/** What a first message is sent as a reply to, if the platform should show it as one. */
export function replyTo(
  { repliesOpenThreads }: Capabilities,
  { thread }: Chat,
  message: string | undefined,
): { replyTo?: string } {
  const isOpening = repliesOpenThreads && thread === undefined;
  return message === undefined || isOpening ? {} : { replyTo: message };
}
