import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // forks, not threads: native modules of ours must not be loaded twice into one process by the test runner.
    pool: 'forks',
    // More than there are cores: half of the time a test waits for processes of its own, or for time to pass.
    maxWorkers: availableParallelism() + 2,
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Real processes, threads and disks: on a machine shared with others one test in two thousand misses its time. The report
    // names every test that was tried again.
    retry: process.env.CI ? 1 : 0,
  },
});
