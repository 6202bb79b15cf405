import { defineConfig } from 'vitest/config';
import { SLOW } from './vitest.slow.config.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/browser/**', '**/node_modules/**', ...SLOW],
    pool: 'forks',
    // Vitest leaves one core idle by default: on two that is half of the machine.
    maxWorkers: '100%',
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
