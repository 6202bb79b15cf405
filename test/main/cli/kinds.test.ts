import { afterEach, beforeEach, expect, test } from 'vitest';
import { domainsOf, kindsFor, withPanels } from '../../../src/main/cli/kinds.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import { expertOf, GUARD, ROVER } from '../../support/make-domains.ts';
import { type TempFolder, tempFolder } from '../../support/trace-files.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
  folder.file('cave.yaml', 'name: cave\nfeatures: { place: { kind: category } }');
});
afterEach(() => folder[Symbol.dispose]());

test('the flag names one domain, or several by name; without it, those of the configuration count', async () => {
  expect(await kindsFor(folder.path, ['cave.yaml'])).toMatchObject({ domain: { name: 'cave' } });
  const several = await kindsFor(folder.path, ['bat=cave.yaml', 'hero=skyrim']);
  expect(several).toMatchObject({ domains: { bat: { name: 'cave' }, hero: { name: 'skyrim' } } });
  expect(await kindsFor(folder.path, undefined)).toEqual({ domain: skyrim });
  expect(await kindsFor(folder.path, undefined, { domains: { a: GUARD } })).toEqual({ domains: { a: GUARD } });
  expect([...domainsOf(several).all.keys()]).toEqual(['bat', 'hero']);
});

test.each([
  [['a=cave.yaml', 'cave.yaml'], '--domain must be name=file where there are several, got "cave.yaml"'],
  [['a=cave.yaml', 'a=skyrim'], '--domain names a twice'],
  [['=cave.yaml'], '--domain must be name=file where there are several, got "=cave.yaml"'],
])('%j is refused', async (flags, message) => {
  await expect(kindsFor(folder.path, flags)).rejects.toThrow(message);
});

test('each domain gets experts for its own roles, unless it has some', () => {
  const kinds = { domains: { rover: ROVER, guard: { domain: GUARD, experts: [expertOf('sentry')] } } };
  const panel = ({ roles }: typeof ROVER) => ({
    experts: roles.map(({ name: role }) => ({ role, model: 'chosen' })),
    synthesis: { models: [] },
  });
  expect(withPanels(kinds, panel, true)).toMatchObject({
    domains: { rover: { experts: [{ role: 'scout', model: 'chosen' }] }, guard: { experts: [{ model: 'e' }] } },
  });
  expect(withPanels(kinds, panel, false)).toMatchObject({
    domains: { guard: { experts: [{ role: 'sentry', model: 'chosen' }] } },
  });
});
