/** What a model is told of a program that it wrote. */
import type { MadeCall, Result } from '../sandbox/execution.ts';
import type { Cut, GuestLimits } from '../sandbox/messages.ts';

/** Calls that are listed one by one. */
const CALLS_LISTED_MAX = 20;

/** The result and the console output. Throws an error with what went wrong, and what had been done by then. */
export function report({ ending, console, calls }: Result, limits: GuestLimits): string {
  const printed = console === '' ? '' : `Console output:\n${console}`;
  const unfinished = calls.filter(({ outcome }) => outcome === undefined);
  if (ending.status === 'ok') {
    const { text } = ending;
    const abandoned = unfinished.length === 0 ? '' : `Not awaited, outcome unknown: ${namesOf(unfinished)}\n`;
    if (printed === '' && abandoned === '') {
      return text === 'undefined' ? 'The program ended. It returned nothing: use return or console.log.' : text;
    }
    return `${abandoned}${printed}${text === 'undefined' ? '' : `Result:\n${text}`}`;
  }
  const reason = ending.status === 'cut' ? cutReason(ending.cut, limits) : ending.text;
  throw new Error([reason, callsMade(calls), printed].filter((part) => part !== '').join('\n'));
}

function cutReason(cut: Cut, { timeoutMs, cpuMs, callsMax }: GuestLimits): string {
  switch (cut) {
    case 'time':
      return `The program was stopped: it took longer than ${timeoutMs} ms, not counting its tool calls. Do less at a time.`;
    case 'cpu':
      return `The program was stopped: it used more than ${cpuMs} ms of processor time. Is there a loop without end?`;
    case 'memory':
      return 'The program was stopped: it used too much memory. Work on less data at a time.';
    case 'stuck':
      return `The program was stopped: it flooded its host. At most ${callsMax} calls may be made.`;
    case 'hung':
      return 'The program was stopped: it awaits a promise that nothing can resolve any more.';
    case 'cancelled':
      return 'The program was stopped, because the run that it belongs to was.';
  }
}

/** Of a program that failed, the model must know what it has done all the same. */
function callsMade(calls: readonly MadeCall[]): string {
  if (calls.length === 0) return '';
  const lines = calls.slice(0, CALLS_LISTED_MAX).map(({ name, outcome }, index) => {
    const state = outcome === undefined ? 'outcome unknown' : outcome.failed ? 'failed' : 'done';
    return `${index + 1}. ${name}: ${state}`;
  });
  if (calls.length > CALLS_LISTED_MAX) lines.push(`and ${calls.length - CALLS_LISTED_MAX} more`);
  return `Before that it had called:\n${lines.join('\n')}`;
}

function namesOf(calls: readonly MadeCall[]): string {
  return [...new Set(calls.map(({ name }) => name))].join(', ');
}
