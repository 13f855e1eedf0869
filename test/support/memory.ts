/** The memory of a process, as the kernel counts it. Linux only. */
import { readFile } from 'node:fs/promises';

/** The most it ever had resident, in bytes. */
export function peakMemory(pid: number): Promise<number> {
  return status(pid, 'VmHWM');
}

/** What it has resident now, in bytes. */
export function memory(pid: number): Promise<number> {
  return status(pid, 'VmRSS');
}

async function status(pid: number, field: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024;
}
