import { createPlanner, defineDomain } from '../../src/main/index.ts'; // installed: from 'conclave'

/** Two kinds of agents before one model server: they share its slots, and nothing that was decided for one is given to the other. */
const rover = defineDomain({
  name: 'rover',
  description: 'It is a rover that maps a cave and must not run out of power.',
  features: {
    terrain: { kind: 'category' },
    battery: { kind: 'number', edges: [20, 50], range: [0, 100] },
  },
  roles: [
    { name: 'safety', prompt: 'Judge what could damage or strand the rover, and choose the safest useful action.' },
    { name: 'progress', prompt: 'Judge which action maps most of the cave for the power it takes.' },
  ],
});

const guard = defineDomain({
  name: 'guard',
  description: 'It guards the mouth of the cave and must let nobody in who does not belong there.',
  features: {
    visitor: { kind: 'category', values: ['nobody', 'rover', 'stranger'] },
    dark: { kind: 'flag' },
  },
  roles: [
    { name: 'suspicion', prompt: 'Judge who comes, and choose what keeps strangers out.' },
    { name: 'courtesy', prompt: 'Judge what lets those who belong here pass without delay.' },
  ],
});

const MODEL = 'microsoft/phi-4-mini-reasoning';
const panelOf = ({ roles }: typeof rover | typeof guard) => roles.map(({ name }) => ({ role: name, model: MODEL }));

await using planner = await createPlanner({
  domains: {
    rover: { domain: rover, experts: panelOf(rover) },
    // What a guard decided is out of date sooner.
    guard: { domain: guard, experts: panelOf(guard), cache: { ttlMs: 30_000 } },
  },
  endpoints: { local: { baseURL: process.argv[2] ?? 'http://localhost:1234/v1' } },
  synthesis: { models: [MODEL] },
  onMissingModel: 'substitute',
  allowOffline: true,
});
planner.on('warning', (message) => console.error(`warning: ${message}`));

const plans = [
  // The compiler checks each observation against the domain that the request names.
  planner.plan({
    domain: 'rover',
    agent: 'r1',
    observation: { terrain: 'mud', battery: 34 },
    actions: ['reverse', 'wait'],
  }),
  planner.plan({
    domain: 'guard',
    agent: 'g1',
    observation: { visitor: 'stranger', dark: true },
    actions: ['call out', 'let in'],
  }),
  planner.plan({
    domain: 'guard',
    agent: 'g2',
    observation: { visitor: 'rover', dark: false },
    actions: ['call out', 'let in'],
  }),
];
for (const { domain, agent, action, source } of await Promise.all(plans)) {
  console.log(`${domain} ${agent}: ${action} (${source})`);
}
for (const [name, { plans: counts, calls }] of Object.entries(planner.stats().domains ?? {})) {
  console.log(`${name}: ${counts.settled} plans, ${calls.made} calls to models`);
}
