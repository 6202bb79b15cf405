import { expect, test } from 'vitest';
import { DomainRulesWriter, ServingRulesReader, ServingRulesWriter } from '../../../src/shared/store/serving-rules.ts';
import { createStoreBuffer } from '../../../src/shared/store/store-layout.ts';

function opened() {
  const buffer = createStoreBuffer(4);
  const writer = new ServingRulesWriter(buffer, { hasBudget: false, valuesMin: false });
  return { writer, reader: new ServingRulesReader(buffer) };
}

test('doubts end one by one, and those of all scenes apart from them', () => {
  const { writer, reader } = opened();
  writer.doubt('foreseen', 'cave', true);
  expect(reader.isDoubted('foreseen', 'cave')).toBe(true);
  expect(reader.isDoubted('exact', 'cave')).toBe(false);
  writer.doubt('foreseen', undefined, true);
  expect(reader.isDoubted('foreseen', 'wood')).toBe(true);
  writer.doubt('foreseen', undefined, false);
  writer.doubt('foreseen', 'cave', false);
  expect(reader.isDoubted('foreseen', 'cave')).toBe(false);
});

test('doubts about more scenes than are remembered last until a clear', () => {
  const { writer, reader } = opened();
  const scenes = Array.from({ length: 1_025 }, (_, nth) => `scene ${nth}`);
  for (const isDoubted of [true, false]) for (const scene of scenes) writer.doubt('single', scene, isDoubted);
  expect(reader.isDoubted('single', scenes.at(-1) as string)).toBe(true);
  const doubted = scenes.filter((scene) => reader.isDoubted('single', scene));
  expect(doubted.length).toBeLessThan(100);
  writer.clear();
  expect(reader.isDoubted('single', scenes.at(-1) as string)).toBe(false);
});

test('of a domain with an error budget nothing is served, also after a clear of all domains', () => {
  const { writer, reader } = opened();
  const budgeted = new DomainRulesWriter(writer, 'rover', true);
  const plain = new DomainRulesWriter(writer, 'guard', false);
  plain.doubt('exact', 'cave', true);
  const doubted = () => ['rover', 'guard'].map((scope) => reader.isDoubted('exact', 'cave', scope));
  expect(doubted()).toEqual([true, true]);
  for (const rules of [budgeted, plain]) rules.clear();
  expect(doubted()).toEqual([true, false]);
});
