import { expect, test } from 'vitest';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import { drive } from '../../../support/drive.ts';
import { makePlanner, request } from '../../../support/make-planner.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

test('POST /v1/plans answers with the plan', async () => {
  await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
  const { planner, clock } = under;
  await using face = await openHttpFace(planner, { port: 0 }, { clock, log, version: '0.0.0' });
  const answered = fetch(`${face.address}/v1/plans`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...request(), timeoutMs: 500 }),
  });
  const response = await drive(clock, answered);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ agent: 'tester', action: 'block', source: 'synthesis' });
});
