import { expect, test } from 'vitest';
import { serverKey } from '../../../../src/main/cluster/leases/server-key.ts';

test.each([
  ['http://gpu:8000/v1', undefined, 'http://gpu:8000'],
  ['http://GPU:8000/v1/', undefined, 'http://gpu:8000'],
  ['https://user:secret@models.example/openai/v1', undefined, 'https://models.example:443/openai'],
  ['http://localhost:8000/v1', undefined, 'http://node-7:8000'],
  ['http://127.0.0.1:8000', undefined, 'http://node-7:8000'],
  ['http://[::1]:8000', undefined, 'http://node-7:8000'],
  ['http://10.0.0.5:8000', 'gpu-1', 'machine gpu-1'],
  ['http://localhost:8000', 'gpu-1', 'machine gpu-1'],
])('%s on machine %s is shared as %s', (baseURL, machine, key) => {
  expect(serverKey({ baseURL, machine }, 'node-7')).toBe(key);
});
