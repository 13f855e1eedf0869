/** What the kernel says of a process. */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc, on every Linux of today. */
const TICKS = 100;

/** Resident memory, in MB. */
export function residentMb(pid: number): number {
  return residentOf(pid, 'VmRSS');
}

/** Resident memory that is the process's own, in MB: without pages of mapped files, which the kernel may drop. */
export function ownMb(pid: number): number {
  return residentOf(pid, 'RssAnon');
}

function residentOf(pid: number, field: string): number {
  const kilobytes = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kilobytes) * 1_024) / 1e6;
}

/** Processor time of all its threads since it began, in seconds. */
export function cpuSeconds(pid: number): number {
  // The name, in brackets, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Processor time of all threads it has now, in milliseconds, finer than the ticks of {@link cpuSeconds}. */
export function cpuMs(pid: number): number {
  const spentNs = (thread: string): number =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + spentNs(thread), 0) / 1e6;
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
