import { setTimeout } from 'node:timers/promises';
import { createPlanner } from '../../src/main/index.ts'; // installed: from 'conclave'
import { warehouse, work } from './warehouse.ts';

const MODEL = 'microsoft/phi-4-mini-reasoning';
const [baseURL = 'http://localhost:1234/v1', steps = '12', stepMs = '2000'] = process.argv.slice(2);

await using planner = await createPlanner({
  domain: warehouse,
  endpoints: { local: { baseURL } },
  experts: [{ role: 'route', model: MODEL }],
  onMissingModel: 'substitute',
});
planner.on('warning', (message) => console.error(`warning: ${message}`));
const ready = await work(planner, {
  steps: Number(steps),
  pass: () => setTimeout(Number(stepMs)),
  random: Math.random,
  log: console.log,
});
const { asked, used, tooLate, wrong, domain } = planner.stats().foresight;
console.log(`${ready} of ${steps} steps were planned ahead`);
console.log(`${asked} futures asked: ${used} used, ${tooLate} too late, ${wrong} wrong`);
if (domain !== false && domain.off !== null) console.log(`the domain is not asked any more: ${domain.off}`);
