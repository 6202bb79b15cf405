import { expect, it } from 'vitest';
import { takeFields } from '../../../../src/main/cluster/engine/field-turns.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

it('takes many fields in their order, 64 in a turn of the event loop', async () => {
  const listed = Array.from({ length: 130 }, (_, i) => [Buffer.from(`f${i}`), Buffer.from(`${i}`)]).flat();
  const taken: string[] = [];
  const ended = takeFields(listed, new FakeClock(), (field, value) => taken.push(`${field}=${value}`));
  expect(taken).toHaveLength(64);
  await ended;
  expect(taken).toEqual(Array.from({ length: 130 }, (_, i) => `f${i}=${i}`));
});
