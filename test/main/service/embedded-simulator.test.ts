import { expect, test } from 'vitest';
import { startEmbeddedSimulator } from '../../../src/main/service/embedded-simulator.ts';
import { systemClock } from '../../../src/shared/clock.ts';

test('serves its models from its thread until it is closed', async () => {
  const simulator = await startEmbeddedSimulator({ models: [{ id: 'one' }] }, systemClock);
  const response = await fetch(`${simulator.baseURL}/models`);
  expect(((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(['one']);
  await simulator.close();
  await expect(fetch(`${simulator.baseURL}/models`)).rejects.toThrow();
  await simulator.close();
});

test('says what is wrong with its options', async () => {
  await expect(startEmbeddedSimulator({ speed: 0 }, systemClock)).rejects.toMatchObject({
    code: 'ERR_OPTIONS_INVALID',
    message: expect.stringContaining('simulator.speed'),
  });
});

test('says so when its port is taken', async () => {
  await using first = await startEmbeddedSimulator({}, systemClock);
  await expect(startEmbeddedSimulator({ port: first.port }, systemClock)).rejects.toThrow(
    'simulator.port must be free',
  );
});
