import { expect, it } from 'vitest';
import { Exchange } from '../../../../src/main/cache/exchange/exchange.ts';

it('knows the last precedent of all nodes that a log can have, however often it is read', () => {
  const exchange = new Exchange([]);
  let learned = 0;
  for (let read = 0; read < 3; read++) {
    for (let node = 0; node < 16_384; node++) if (exchange.isNew(`n${node}`, 1)) learned++;
  }
  expect(learned).toBe(16_384);
});
