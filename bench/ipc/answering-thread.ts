/** The peer of a comlink call that costs nothing but the call. */
import { parentPort } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Decision } from '../../src/shared/decision.ts';
import { decisionOf } from '../store/states.ts';

export interface Answers {
  answer(index: number): Decision;
}

if (parentPort === null) throw new Error('this is the entry of a worker thread');
const decisions = Array.from({ length: 64 }, (_, index) => decisionOf(index));
const answers: Answers = { answer: (index) => decisions[index % decisions.length] as Decision };
expose(answers, nodeEndpoint(parentPort));
