import { defineConfig } from 'vitest/config';

/** The packed package, apart from `npm test`: it builds, packs and installs from the registry. */
export default defineConfig({
  test: { include: ['test/package/**/*.test.ts'], pool: 'forks', testTimeout: 60_000, hookTimeout: 200_000 },
});
