import { setTimeout } from 'node:timers/promises';
import { createPlanner } from '../../src/main/index.ts'; // installed: from 'conclave'
import { duel, play } from './duel.ts';

const MODEL = 'microsoft/phi-4-mini-reasoning';
const [baseURL = 'http://localhost:1234/v1', turns = '12', moveMs = '2000'] = process.argv.slice(2);

await using planner = await createPlanner({
  domain: duel,
  endpoints: { local: { baseURL } },
  experts: [{ role: 'tactics', model: MODEL }],
  onMissingModel: 'substitute',
});
planner.on('warning', (message) => console.error(`warning: ${message}`));
const { told, ready, longestMs } = await play(planner, {
  turns: Number(turns),
  moveMs: Number(moveMs),
  pass: (ms) => setTimeout(ms),
  random: Math.random,
  log: console.log,
});
const { asked, used, tooLate, wrong, dropped } = planner.stats().foresight;
console.log(`${ready} of ${told} told states were answered within 5 ms, the slowest in ${longestMs.toFixed(1)} ms`);
console.log(`${asked} futures asked: ${used} used, ${tooLate} too late, ${wrong} wrong; ${dropped} dropped`);
