/** How much memory a browser takes: all its processes together, each shared page counted once. Linux only. */
import { readdir, readFile } from 'node:fs/promises';

/** In MB, of the process whose command line has `mark`, and of all below it. Undefined: it cannot be told here. */
export async function memoryMbOf(mark: string): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const processes = await processesBelow(process.pid);
  const roots = processes.filter(({ commandLine }) => commandLine.includes(mark)).map(({ pid }) => pid);
  const wanted = new Set(roots);
  // Parents come before their children.
  for (const { pid, parent } of processes) if (wanted.has(parent)) wanted.add(pid);
  const sizes = await Promise.all([...wanted].map(proportionalMb));
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface ProcessEntry {
  pid: number;
  parent: number;
  commandLine: string;
}

/** Breadth first. */
async function processesBelow(root: number): Promise<ProcessEntry[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readEntry));
  const found: ProcessEntry[] = [];
  let level = new Set([root]);
  while (level.size > 0) {
    const next = all.filter((entry): entry is ProcessEntry => entry !== undefined && level.has(entry.parent));
    found.push(...next);
    level = new Set(next.map(({ pid }) => pid));
  }
  return found;
}

/** Undefined: it has ended meanwhile. */
async function readEntry(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name before it is in parentheses and may have anything in it.
    const parent = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]);
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    return { pid, parent, commandLine };
  } catch {
    return undefined;
  }
}

async function proportionalMb(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}
