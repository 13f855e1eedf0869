import { z } from 'zod';

const milliseconds = z
  .int()
  .positive()
  .max(24 * 3_600_000);

/** The processes in which isolates run. */
export const sandboxHostsSchema = z
  .strictObject({
    max: z.int().min(1).max(256).default(4),
    programsPerHost: z.int().min(1).max(256).default(16),
    queueMax: z.int().min(1).max(10_000).default(256),
    idleMs: milliseconds.default(60_000),
    /** Of one program; V8 takes no less than 8. */
    programMemoryMb: z.int().min(8).max(4_096).default(64),
    hostMemoryMb: z.int().min(128).max(65_536).default(512),
    fence: z.enum(['auto', 'bubblewrap', 'off']).default('auto'),
    jit: z.boolean().default(false),
  })
  .prefault({});

/** The tool `code`. */
export const codeSchema = z
  .strictObject({
    timeoutMs: milliseconds.default(30_000),
    cpuMs: milliseconds.default(5_000),
    callsMax: z.int().min(0).max(1_000).default(100),
    only: z.boolean().default(false),
  })
  .prefault({});
