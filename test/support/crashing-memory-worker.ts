/** A thread of the memory that does what the query says: `throw` ends it, `hang` never answers, `block` holds it for good. */
import { setTimeout as sleep } from 'node:timers/promises';

let told = 0;
const cancelled = new Set<string>();

export function live(): Promise<never> {
  return new Promise(() => {});
}

export async function search({ call, query }: { call: string; query: { text: string } }) {
  if (query.text === 'throw')
    setImmediate(() => {
      throw new Error('a crash of the memory');
    });
  if (query.text === 'exit') process.exit(3);
  if (query.text === 'block') for (;;);
  if (query.text === 'hang') while (!cancelled.has(call)) await sleep(5);
  if (query.text === 'throw') return new Promise(() => {});
  return { value: [{ told }] };
}

export function cancel(calls: readonly string[]) {
  for (const call of calls) cancelled.add(call);
  return { value: null };
}

export function changed() {
  told += 1;
  return { value: null };
}

export function rest(): boolean {
  return true;
}

export async function end(): Promise<void> {}
