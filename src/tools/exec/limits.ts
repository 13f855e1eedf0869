/** What each process of a command may use. Set by the shell that becomes the command: all it starts has them too. */
export interface ResourceLimits {
  /** Memory of its own, in MB. Not address space, of which a JavaScript engine reserves much more than it uses. */
  memoryMb: number;
  /** Processor time, in seconds. */
  cpuSeconds: number;
  /** Size of a file it writes, in MB. */
  fileMb: number;
  /** Processes in one sandbox. The kernel exempts root, so not in a gateway run as root. */
  processesPerCommand: number;
}

/** What a process has left when it is told that its processor time is up, in seconds. */
const CPU_GRACE_SECONDS = 5;
/** Programs that were refused memory say so in one of these ways. */
const OUT_OF_MEMORY =
  /out of memory|memory exhausted|cannot allocate memory|failed to allocate memory|memoryerror|bad_alloc/i;

/**
 * The command under its limits; a limit that is lower already stays. In a sandbox the processes in it are counted, and
 * outside those of the gateway's user, of which there is no telling how many there should be.
 */
export function limited(argv: readonly string[], limits: ResourceLimits, where: 'sandbox' | 'outside'): string[] {
  const { memoryMb, cpuSeconds, fileMb, processesPerCommand: processes } = limits;
  const set = [
    'ulimit -c 0',
    `ulimit -f ${fileMb * 2_048}`, // blocks of 512 bytes
    `ulimit -d ${memoryMb * 1_024}`,
    `ulimit -S -t ${cpuSeconds}`, // before the hard one, which must not be below it
    `ulimit -H -t ${cpuSeconds + CPU_GRACE_SECONDS}`,
    // dash has -p for what bash calls -u.
    ...(where === 'sandbox' ? [`ulimit -p ${processes} || ulimit -u ${processes}`] : []),
  ];
  return ['/bin/sh', '-c', `{ ${set.join('; ')}; } 2>/dev/null; exec "$@"`, 'sh', ...argv];
}

/** Which limit it was that ended a command, as far as one can tell; undefined: none. */
export function limitReached(
  { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
  output: string,
  limits: ResourceLimits,
): string | undefined {
  const { memoryMb, cpuSeconds, fileMb } = limits;
  // A shell or bubblewrap above the process tells of its signal by a code.
  if (signal === 'SIGXCPU' || code === 152) {
    return `it used more than ${cpuSeconds} s of processor time, the limit (tools.exec.cpuSeconds)`;
  }
  if (signal === 'SIGXFSZ' || code === 153) {
    return `it wrote a file of more than ${fileMb} MB, the limit (tools.exec.fileMb)`;
  }
  if (code === 0 || !OUT_OF_MEMORY.test(output)) return undefined;
  return `a process may have ${memoryMb} MB of memory (tools.exec.memoryMb)`;
}
