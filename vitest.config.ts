import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // forks, not threads: native modules of ours must not be loaded twice into one process by the test runner.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
