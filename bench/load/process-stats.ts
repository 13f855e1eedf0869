/** What the kernel says of a process. */
import { readFileSync } from 'node:fs';

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

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
