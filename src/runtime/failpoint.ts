/**
 * Named places at which a test can have the process killed, to see what the next start makes of it (the idea is that of
 * FreeBSD's fail(9)). Armed by DHAAVAK_FAILPOINT=`name` or `name:n` (the n-th time it is reached in a thread); anything else
 * costs one comparison. The docs say what each one's outcome is: `docs/durability.md`.
 */

/** In the order in which a message passes them. */
export const FAILPOINTS = [
  'journal.before',
  'journal.after',
  'ack.after',
  'model.before',
  'model.after',
  'tool.intended',
  'tool.called',
  'tool.done',
  'answer.before',
  'answer.after',
  'send.intended',
  'send.called',
  'send.done',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

const [armed, times = '1'] = (process.env.DHAAVAK_FAILPOINT ?? '').split(':');
let left = Number(times);

/** Kills the process when this place is armed and reached for the n-th time. */
export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}
