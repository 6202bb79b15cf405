import { expect, test } from 'vitest';
import { RoleGains } from '../../../../src/main/plans/reads/role-gains.ts';

function gainsAfter(reads: number, changedEvery: number, luck = 0.5): RoleGains {
  const gains = new RoleGains({ next: () => luck });
  for (let nth = 1; nth <= reads; nth++) gains.compared('m', nth % changedEvery === 0);
  return gains;
}

test('all roles are asked until it is known what they add, also under pressure', () => {
  expect(gainsAfter(29, 2).rolesFor('m', 4, true)).toBe(4);
  expect(gainsAfter(30, 2).rolesFor('m', 4, true)).toBe(1);
  expect(gainsAfter(30, 2).rolesFor('other', 4, true)).toBe(4);
});

test('roles that change answers are asked where nobody is made late', () => {
  expect(gainsAfter(60, 4).rolesFor('m', 4, false)).toBe(4);
});

test('roles that never change the answer are asked rarely', () => {
  expect(gainsAfter(60, Number.POSITIVE_INFINITY).rolesFor('m', 4, false)).toBe(1);
  expect(gainsAfter(60, Number.POSITIVE_INFINITY, 0.01).rolesFor('m', 4, false)).toBe(4);
});
