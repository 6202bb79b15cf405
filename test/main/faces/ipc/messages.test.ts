import { expect, test } from 'vitest';
import { replyOf, unwrapped } from '../../../../src/main/faces/ipc/messages.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';

async function crossed<T>(run: () => T | Promise<T>): Promise<T> {
  return unwrapped(structuredClone(await replyOf(run)));
}

test('a value crosses as it is', async () => {
  expect(await crossed(async () => ({ a: [1, undefined] }))).toEqual({ a: [1, undefined] });
  expect(await crossed(() => undefined)).toBeUndefined();
});

test('an error crosses with code, message and retryable, thrown or rejected', async () => {
  const error = new PlannerError('ERR_PLANNER_OVERLOADED', 'full', { retryable: true });
  const expected = { name: 'PlannerError', code: 'ERR_PLANNER_OVERLOADED', message: 'full', retryable: true };
  await expect(crossed(() => Promise.reject(error))).rejects.toMatchObject(expected);
  await expect(
    crossed(() => {
      throw error;
    }),
  ).rejects.toMatchObject(expected);
});

test('a bug crosses as one', async () => {
  await expect(crossed(() => Promise.reject(new TypeError('x is not y')))).rejects.toMatchObject({
    code: 'ERR_INTERNAL',
    message: 'TypeError: x is not y',
    retryable: false,
  });
});
