import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { openStdioFace } from '../../../../src/main/faces/socket/stdio-face.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { makePlanner, request } from '../../../support/make-planner.ts';
import { makeLog } from '../../../support/make-socket-face.ts';
import { eventually } from '../../../support/raw-client.ts';

async function makeStdio(script: () => Behaviour = () => ({ kind: 'answers', action: 'block' })) {
  const made = await makePlanner(script);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const face = openStdioFace(made.planner, {}, { clock: systemClock, log: makeLog().log, version: '1', input, output });
  let text = '';
  output.on('data', (chunk) => {
    text += chunk;
  });
  const answers = (): object[] =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  return { ...made, input, output, face, answers };
}

function planText(id: number): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'plan', params: { ...request(), timeoutMs: 500 } });
}

test('answers what was asked before the end of the input, the last line without its end too, and then ends', async () => {
  await using made = await makeStdio();
  expect(made.face.address).toBe('standard input');
  made.input.end(`${planText(1)}\n${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' })}`);
  await drive(made.clock, made.face.ended);
  expect(made.answers()).toMatchObject([{ id: 2 }, { id: 1, result: { action: 'block' } }]);
  // They are the process's own.
  expect(made.output.writableEnded).toBe(false);
});

test('ends at once when it is closed, and leaves the streams as they were', async () => {
  await using made = await makeStdio(() => ({ kind: 'stuck' }));
  made.input.write(`${planText(1)}\n`);
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  await made.face.close();
  await made.face.ended;
  await flush();
  expect(made.planner.stats().plans.inFlight).toBe(0);
  for (const stream of [made.input, made.output]) {
    expect([stream.destroyed, stream.listenerCount('close'), stream.listenerCount('error')]).toEqual([false, 0, 0]);
  }
  expect(made.input.listenerCount('data')).toBe(0);
});

test('drains: answers what is under way and refuses the rest', async () => {
  await using made = await makeStdio(() => ({ kind: 'stuck' }));
  made.input.write(`${planText(1)}\n`);
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  const drained = made.face.drain();
  made.input.write(`${planText(2)}\n`);
  await eventually(() => made.answers().length === 1, 'the second one is answered');
  expect(made.answers()).toMatchObject([{ id: 2, error: { data: { code: 'ERR_PLANNER_CLOSED' } } }]);
  await drive(made.clock, drained);
  expect(made.answers().at(1)).toMatchObject({ id: 1, result: { source: 'heuristic' } });
});

test('cancels everything when nobody takes its answers any more', async () => {
  await using made = await makeStdio(() => ({ kind: 'stuck' }));
  made.input.write(`${planText(1)}\n`);
  await eventually(() => made.planner.stats().plans.inFlight === 1, 'one in flight');
  made.output.destroy(new Error('EPIPE'));
  await made.face.ended;
  await flush();
  expect(made.planner.stats().plans.inFlight).toBe(0);
});

test('options that break a rule are refused by name', async () => {
  const { planner, input, output } = await makeStdio();
  const parts = { clock: systemClock, log: makeLog().log, version: '1', input, output };
  expect(() => openStdioFace(planner, { callsMax: 1.5 }, parts)).toThrow('stdio.callsMax must be a whole number');
});
