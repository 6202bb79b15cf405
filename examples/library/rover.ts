import { createPlanner, defineDomain, type PlanRequest } from '../../src/main/index.ts'; // installed: from 'conclave'

const rover = defineDomain({
  name: 'rover',
  description: 'It is a rover that maps a cave and must not run out of power.',
  features: {
    terrain: { kind: 'category' },
    battery: { kind: 'number', edges: [20, 50], range: [0, 100] },
    stuck: { kind: 'flag' },
    camera: { kind: 'text', optional: true },
  },
  roles: [
    { name: 'safety', prompt: 'Judge what could damage or strand the rover, and choose the safest useful action.' },
    { name: 'progress', prompt: 'Judge which action maps most of the cave for the power it takes.' },
  ],
});

const moments: Omit<PlanRequest<typeof rover>, 'agent'>[] = [
  {
    observation: { terrain: 'gravel', battery: 80, stuck: false, camera: 'a wide tunnel that bends to the left' },
    actions: ['drive on', 'scan', 'return'],
    qValues: { 'drive on': 0.7, scan: 0.5, return: 0.1 },
  },
  {
    observation: { terrain: 'mud', battery: 34, stuck: true, camera: 'wheels half under mud' },
    actions: ['reverse', 'drive on', 'wait'],
    qValues: { reverse: 0.6, 'drive on': 0.2, wait: 0.1 },
  },
  {
    observation: { terrain: 'gravel', battery: 12, stuck: false },
    actions: ['drive on', 'scan', 'return'],
    qValues: { 'drive on': 0.2, scan: 0.1, return: 0.9 },
  },
];

const MODEL = 'microsoft/phi-4-mini-reasoning';

await using planner = await createPlanner({
  domain: rover,
  endpoints: { local: { baseURL: process.argv[2] ?? 'http://localhost:1234/v1' } },
  experts: rover.roles.map((role) => ({ role: role.name, model: MODEL })),
  synthesis: { models: [MODEL] },
  onMissingModel: 'substitute',
  allowOffline: true,
});
planner.on('warning', (message) => console.error(`warning: ${message}`));
for (const moment of moments) {
  const plan = await planner.plan({ agent: 'rover', ...moment }, { timeoutMs: 8_000 });
  console.log(`${plan.action} (${plan.source}, ${Math.round(plan.latencyMs)} ms): ${plan.reason}`);
}
