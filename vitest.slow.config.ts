import { defineConfig } from 'vitest/config';

/** Tests that take long: whole processes, threads, simulations, and files of several seconds. `npm test` leaves them out. */
export const SLOW = [
  'test/**/*.redis.test.ts',
  'test/faults/**/*.test.ts',
  'test/sim/**/*.test.ts',
  'test/threads/**/*.test.ts',
  'test/bench/arena.test.ts',
  'test/examples/**/*.test.ts',
  'test/main/cache/evidence/error-budget.test.ts',
  'test/main/cache/freshness/adaptive-ttl.test.ts',
  'test/main/cache/similar/similar-index.test.ts',
  'test/main/cache/store-writer.test.ts',
  'test/main/chat/answer-shapes.test.ts',
  'test/main/cli/cli.test.ts',
  'test/main/cli/replay-command.test.ts',
  'test/main/cluster/evidence/shared-evidence.test.ts',
  'test/main/cluster/states/planners.test.ts',
  'test/main/doctor/doctor.test.ts',
  'test/main/plans/one-machine.test.ts',
  'test/main/plans/one-model.test.ts',
  'test/main/plans/slow-server.test.ts',
  'test/main/replay/replay.test.ts',
  'test/project/boundaries.test.ts',
  'test/shared/store/store-protocol.test.ts',
  'test/shared/store/store-race.test.ts',
  'test/shared/vote/vote-growth.test.ts',
];

export default defineConfig({
  test: { include: SLOW, pool: 'forks', testTimeout: 20_000, hookTimeout: 20_000 },
});
