import { defineConfig } from 'vitest/config';

/** The page in a real browser, apart from `npm test`: it needs Chromium, from CHROMIUM or the usual places. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    pool: 'forks',
    // One browser at a time: what it measures is the page, not its neighbours.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
