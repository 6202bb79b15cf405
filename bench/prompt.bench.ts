import { readFileSync } from 'node:fs';
import { startEmbeddedSimulator } from '../src/main/service/embedded-simulator.ts';
import { systemClock } from '../src/shared/clock.ts';
import type { Domain } from '../src/shared/domain.ts';
import { skyrim } from '../src/shared/domains/skyrim.ts';
import { ModelClient } from '../src/shared/model-client/model-client.ts';
import type { PlanRequest } from '../src/shared/plan-request.ts';
import { benchLine, readFlags } from './command-line.ts';
import { rounded } from './figures.ts';
import { type Answers, type Asked, agreementOf, answersOf, figuresOf } from './prompt/asking.ts';
import { type AskedForm, type Layout, newLayout } from './prompt/layout.ts';
import { oldLayout } from './prompt/old-layout.ts';

const HELP = `bench:prompt: answers and tokens of the prompt as it is and as it was, for states that follow one another.

  --endpoint URL   base URL of a model server; default: the simulated one, one slot
  --model ID       its model; default: the first it lists
  --states N       states of one agent of examples/skyrim.jsonl (default 60)
  --forms LIST     json, label, or both (the default)
  --quick          20 states; fails if the prompt costs more than it should on the simulated server`;

const { wrongUse, positive, only } = benchLine(HELP);
const args = readFlags(HELP, {
  endpoint: { type: 'string' },
  model: { type: 'string' },
  states: { type: 'string' },
  forms: { type: 'string', default: 'json,label' },
  quick: { type: 'boolean', default: false },
});
const states = positive('states', args.states, args.quick ? 20 : 60);
const forms = only(args.forms, ['json', 'label']) as readonly AskedForm[];
/** Share of the tokens that the old prompt has a server read. */
const READ_MAX = 0.5;
const MODEL = 'one';
const NO_FAULTS = { http500: 0, reset: 0, hang: 0, errorEvent: 0, cut: 0 };

/** The requests of the agent of the example stream that comes first. */
function requestsOf(count: number): PlanRequest[] {
  const text = readFileSync(new URL('../examples/skyrim.jsonl', import.meta.url), 'utf8');
  const [, ...lines] = text.trim().split('\n');
  const all = lines.map((line) => JSON.parse(line) as PlanRequest);
  return all.filter(({ agent }) => agent === all[0]?.agent).slice(0, count);
}

async function run(asked: Asked, form: AskedForm): Promise<Record<string, unknown>> {
  const answers: Answers[] = [];
  const domain: Domain = skyrim;
  // The second round of the old prompt shows how often a model agrees with itself.
  for (const layout of [oldLayout, newLayout(domain), oldLayout] satisfies Layout[]) {
    process.stderr.write(`prompt: ${form}, ${layout.name} …\n`);
    answers.push(await answersOf(asked, layout, form));
  }
  const [before, now, again] = answers as [Answers, Answers, Answers];
  const [old, current] = [figuresOf(before), figuresOf(now)];
  const read = rounded((current.readTokensPerState as number) / (old.readTokensPerState as number));
  const [agreement, selfAgreement] = [agreementOf(before, now), agreementOf(before, again)];
  console.log(
    `${form.padEnd(6)} read tokens a state: ${old.readTokensPerState} → ${current.readTokensPerState} (${read}) · tokens a prompt: ${old.tokensPerPrompt} → ${current.tokensPerPrompt} · legal: ${old.legal} → ${current.legal} · same answer: ${agreement} (the old one to itself: ${selfAgreement})`,
  );
  return { old, new: current, readTokens: read, agreement, selfAgreement };
}

const simulator =
  args.endpoint === undefined
    ? await startEmbeddedSimulator(
        {
          speed: 1_000,
          slots: 1,
          flavour: 'llamacpp',
          reads: 'logprobs',
          rates: NO_FAULTS,
          models: [{ id: MODEL, thinkTokens: 0 }],
        },
        systemClock,
      )
    : undefined;
const baseURL = args.endpoint ?? (simulator?.baseURL as string);
const client = new ModelClient({ name: 'server', baseURL }, systemClock, 2);
const result: Record<string, unknown> = { states };
let hasFailed = false;
try {
  const model = args.model ?? (simulator === undefined ? (await client.listModels(10_000))[0] : MODEL);
  if (model === undefined) wrongUse(`--model must name a model: ${baseURL} lists none`);
  for (const form of forms) {
    const figures = await run({ client, model: model as string, domain: skyrim, requests: requestsOf(states) }, form);
    result[form] = figures;
    if (args.quick && simulator !== undefined && (figures.readTokens as number) > READ_MAX) hasFailed = true;
  }
} finally {
  await client.close();
  await simulator?.close();
}
console.log(JSON.stringify(result));
if (hasFailed) {
  console.error(`prompt: more than ${READ_MAX} of the tokens of the old prompt are read`);
  process.exitCode = 1;
}
