import { expect, it, vi } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createSandbox } from '../../src/tools/sandbox/sandbox.ts';
import { guestLimits } from '../support/sandbox.ts';

vi.mock('../../src/tools/sandbox/launch.ts', async (original) => ({
  ...(await original<typeof import('../../src/tools/sandbox/launch.ts')>()),
  findBubblewrap: () => undefined,
}));

it('a sandbox whose fence is not installed says so to each program, and can be stopped', async () => {
  const { sandboxHosts } = configSchema.parse({ tools: { sandboxHosts: { fence: 'bubblewrap' } } }).tools;
  const sandbox = createSandbox(sandboxHosts, 1, { warn: () => undefined });
  const task = {
    program: { source: 'return 1', granted: [], limits: guestLimits },
    call: () => Promise.reject(new Error('it makes none')),
    signal: new AbortController().signal,
  };
  await expect(sandbox.run(task)).rejects.toThrow('bubblewrap is not installed');
  await expect(sandbox.stop()).resolves.toBeUndefined();
});
