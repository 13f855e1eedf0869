/**
 * Named places at which a test has something go wrong, to see what becomes of it (the idea is FreeBSD's fail(9)). Armed by
 * the variable DHAAVAK_FAILPOINT when a thread starts:
 *
 *     tool.called           the process is killed there
 *     ack.after:2           the second time this thread comes there
 *     model.before:1-3=throw    the first three times an error is thrown; `spin`: the thread hangs in a busy loop
 *
 * Anything else costs one comparison. What follows each is in `docs/durability.md`.
 */

/** In the order in which a message passes them; then those of a deletion, and of a step of retention. */
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
  'delete.begun',
  'delete.half',
  'delete.before',
  'prune.step',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

const [, armed, first = '1', last = first, action = 'kill'] =
  /^([a-z.]+)(?::(\d+)(?:-(\d+))?)?(?:=(kill|throw|spin))?$/.exec(process.env.DHAAVAK_FAILPOINT ?? '') ?? [];
let reached = 0;

/** Has happen what is armed for this place, if anything is. */
export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  reached += 1;
  if (reached < Number(first) || reached > Number(last)) return;
  if (action === 'throw') throw new Error(`failpoint ${name}`);
  if (action === 'spin') for (;;);
  process.kill(process.pid, 'SIGKILL');
}
