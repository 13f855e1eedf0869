/** The memory of a process, as the kernel counts it. Linux only. */
import { readFile, writeFile } from 'node:fs/promises';

/** What it has resident now, in bytes. The peak is counted from here. */
export async function memory(pid: number): Promise<number> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  return field(pid, 'VmRSS');
}

/** The most it had resident since {@link memory} was asked, in bytes. */
export function peakMemory(pid: number): Promise<number> {
  return field(pid, 'VmHWM');
}

async function field(pid: number, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}
