/**
 * How long `createPlanner` takes in a fresh process: forked by plan.bench.ts with the server's base URL as argument. The
 * time to load the modules is told apart, since it is paid before anything can be called.
 */
export interface StartTimes {
  readonly importMs: number;
  readonly startMs: number;
}

if (import.meta.main) {
  const baseURL = process.argv[2] as string;
  const startedAt = performance.now();
  const { createPlanner, skyrim } = await import('../src/main/index.ts');
  const importedAt = performance.now();
  const planner = await createPlanner({
    domain: skyrim,
    endpoints: { bench: { baseURL } },
    experts: skyrim.roles.map(({ name }) => ({ role: name, model: 'bench-model' })),
    synthesis: { models: ['bench-model'] },
  });
  const times: StartTimes = { importMs: importedAt - startedAt, startMs: performance.now() - importedAt };
  await planner.close();
  process.send?.(times);
  process.disconnect?.();
}
