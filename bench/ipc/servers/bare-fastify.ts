import { fastify } from 'fastify';

/** About as long as a cached plan. */
const ANSWER = {
  id: 1,
  agent: 'agent-1',
  action: 'move to the door ahead',
  source: 'cache',
  reason: 'The second choice answers best to what is visible now and leaves a way out.',
  attempts: [],
  coalesced: false,
  latencyMs: 0.01,
  latenessMs: 0,
  model: 'bench-model',
  ageMs: 1_000,
};

/** Bare fastify: it reads the same body and returns a constant. */
export async function serve(): Promise<string> {
  const app = fastify();
  app.post('/v1/plans', async () => ANSWER);
  return app.listen({ port: 0, host: '127.0.0.1' });
}
