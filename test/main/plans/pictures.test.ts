import { expect, test } from 'vitest';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import { drive } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeModels } from '../../support/fake-models.ts';

const domain = defineDomain({
  name: 'seeing',
  features: { place: { kind: 'category' }, view: { kind: 'image', optional: true } },
  roles: [{ name: 'eyes', prompt: 'Look.', vision: true }],
});

test.each([
  [true, true],
  [undefined, true],
  [false, false],
])('an expert whose model takes pictures (%s) is shown them: %s', async (vision, isShown) => {
  const clock = new FakeClock(1_000);
  const models = new FakeModels(clock, () => ({ kind: 'answers', action: 'go' }));
  const shown: boolean[] = [];
  const pool = Object.assign(Object.create(models) as FakeModels, {
    run: (...[task, signal, listeners]: Parameters<FakeModels['run']>) => {
      shown.push('view' in task.situation.observation);
      return models.run(task, signal, listeners);
    },
    close: () => models.close(),
  });
  const modalities = vision === undefined ? {} : { modalities: { vision } };
  const getJson = async (path: string): Promise<unknown> => {
    if (path === '/props') return { total_slots: 2, model_alias: 'e', ...modalities };
    throw new Error('404');
  };
  const client = Object.assign(Object.create(models) as FakeModels, {
    getJson,
    chat: (...given: Parameters<FakeModels['chat']>) => models.chat(...given),
    listModels: () => models.listModels(),
    close: () => models.close(),
  });
  const planner = await createPlanner(
    {
      domain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1' } },
      experts: [{ role: 'eyes', model: 'e' }],
      synthesis: { models: [] },
      features: { constrainedAnswers: false },
    },
    { clock, pool, client: () => client },
  );
  const observation = { place: 'cave', view: 'data:image/png;base64,iVBORw0KGgo=' };
  await drive(clock, planner.plan({ agent: 'a', observation, actions: ['go', 'stay'] }));
  expect(shown).toEqual([isShown]);
  await planner.close();
});
