import type { Command } from 'commander';
import { Secrets } from '../../../shared/secrets.ts';
import { shown } from '../../../shared/shown-text.ts';
import { resolveCluster } from '../../cluster/cluster-options.ts';
import { CLUSTER_LIBRARY } from '../../cluster/library.ts';
import { adviceFor, areWell } from '../../doctor/advice.ts';
import { type EngineLook, engineAdvice, lookAtEngine } from '../../doctor/engine-look.ts';
import { type ExaminedEndpoint, examine, type Subject, type TimedCall } from '../../doctor/examine.ts';
import { type SupportFacts, supportFacts, warningsIn } from '../../doctor/support-facts.ts';
import { type EndpointFacts, SERVER_NAMES } from '../../models/discovery/endpoint-facts.ts';
import { findListeners, KNOWN_PORTS } from '../../models/discovery/find-servers.ts';
import { PROFILES } from '../../options/profiles.ts';
import { type Config, loadConfig } from '../../service/config/config-file.ts';
import { type CliContext, note } from '../cli-context.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type Endpoints, keyVariableOf, secretsIn, withKeys } from '../endpoint-keys.ts';
import { givenEndpoints, isFromConfig, joined } from '../planner-host.ts';
import { addClusterFlag, addEndpointFlags, type ServerFlags, wholeNumber } from '../server-flags.ts';
import { count, duration, rate, table } from '../terminal/text.ts';

interface DoctorFlags extends Pick<ServerFlags, 'endpoint' | 'model' | 'apiKey' | 'config' | 'cluster'> {
  readonly timeoutMs: number;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  conclave doctor                                        the servers on this machine
  conclave doctor --endpoint http://localhost:1234/v1 --model microsoft/phi-4-mini-reasoning
  conclave doctor --json > report.json                   to attach to an issue`;
const KNOWN = KNOWN_PORTS.map(({ usual, port }) => `${port} (${usual})`).join(', ');
const NOTHING = [
  'Start one: LM Studio ("lms server start"), Ollama ("ollama serve"), llama.cpp ("llama-server -m MODEL.gguf") or vLLM ("vllm serve MODEL").',
  'Without one, "conclave session" uses the simulated server, and "conclave simulate" starts it alone.',
];

export function addDoctorCommand(program: Command, run: (flags: DoctorFlags) => Promise<void>): void {
  const command = program
    .command('doctor')
    .description(
      'Find model servers and their models, check model ids, time one call to each model that plans would use, see in which forms it can be asked, and give advice.',
    );
  addEndpointFlags(addClusterFlag(command))
    .option('--timeout-ms <ms>', 'time limit for one call', wholeNumber(1, 3_600_000), 60_000)
    .option('--json', 'print everything as one JSON object without secrets')
    .addHelpText('after', EXAMPLES)
    .action((flags: DoctorFlags) => run(flags));
}

export async function doctorCommand(context: CliContext, flags: DoctorFlags): Promise<ExitCode> {
  const loaded = await loadConfig(context.cwd, flags.config);
  const { config = {} } = loaded ?? {};
  const subject = await subjectOf(context, flags, config);
  if (!flags.json && flags.endpoint === undefined && config.endpoints === undefined)
    note(context, `Looked for model servers at localhost ports ${KNOWN}.`);
  const endpoints = await examine(subject, context.clock, flags.timeoutMs, context.signal);
  const [facts, engine] = await Promise.all([supportFacts(context.version, loaded), engineOf(context, flags, config)]);
  const warnings = warningsIn(facts);
  const about = endpoints.length === 0 ? NOTHING : adviceFor(endpoints);
  const advice = engine === undefined ? about : [...engineAdvice(engine), ...about];
  const isWell = areWell(endpoints) && engine?.isFit !== false;
  const secrets = new Secrets();
  secrets.addFrom(loaded);
  for (const secret of secretsIn({ flags: flags.apiKey ?? [], variables: context.keys })) secrets.add(secret);
  const text = flags.json
    ? `${JSON.stringify({ ok: isWell, ...facts, endpoints, ...(engine && { engine }), warnings, advice })}\n`
    : doctorText(endpoints, facts, engine, [...warnings, ...advice]);
  // A server's error may contain its key, and an address a password.
  context.stdout.write(shown(secrets.hide(text)));
  return isWell && !context.signal.aborted ? EXIT.SUCCESS : EXIT.FAILURE;
}

async function subjectOf(context: CliContext, flags: DoctorFlags, config: Config): Promise<Subject> {
  const { model: models = [], apiKey = [] } = flags;
  const asking = askingOf(config);
  if (flags.endpoint !== undefined || config.endpoints !== undefined) {
    const endpoints = givenEndpoints(context, flags, config) as Endpoints;
    return { endpoints, models, seats: isFromConfig(flags, config) ? seatsIn(config) : [], asking, keyVariableOf };
  }
  // A server that hangs is examined too.
  const found = await findListeners(context.clock);
  const there = Object.fromEntries(found.map(({ name, baseURL }) => [name, { baseURL }]));
  const endpoints = withKeys(there, { flags: apiKey, variables: context.keys });
  return { endpoints, models, seats: [], asking, keyVariableOf };
}

/** The models of a configuration, each at its endpoint or at the only one. */
function seatsIn({ endpoints, experts = [], synthesis }: Config): Subject['seats'] {
  const [only = ''] = Object.keys(endpoints ?? {});
  const ladder = (synthesis?.models ?? []).map((entry) => (typeof entry === 'string' ? { model: entry } : entry));
  return [...experts, ...ladder].map(({ model, endpoint = only }) => ({ model, endpoint }));
}

/** A seat is read if one of its experts may be. A seat that is not in the configuration uses the configuration's general settings. */
function askingOf({ endpoints, experts = [], profile = 'default', answers, features }: Config): Subject['asking'] {
  const [only = ''] = Object.keys(endpoints ?? {});
  const usual = answers ?? PROFILES[profile].answers;
  return {
    isConstrained: features?.constrainedAnswers ?? PROFILES[profile].features.constrainedAnswers,
    ruleFor: ({ model, endpoint }) => {
      const own = experts.filter((each) => each.model === model && (each.endpoint ?? only) === endpoint);
      const rules = own.map((each) => each.answers ?? usual);
      return rules.find((rule) => rule !== 'write') ?? rules[0] ?? usual;
    },
  };
}

/** Undefined if no cluster is asked for. */
async function engineOf(context: CliContext, flags: DoctorFlags, config: Config): Promise<EngineLook | undefined> {
  const { cluster } = joined(context, flags, config);
  const resolved = resolveCluster(cluster);
  return resolved && lookAtEngine(resolved, CLUSTER_LIBRARY, context.clock);
}

function doctorText(
  endpoints: readonly ExaminedEndpoint[],
  facts: SupportFacts,
  engine: EngineLook | undefined,
  advice: readonly string[],
): string {
  const found = endpoints.length === 0 ? ['No model server answered.'] : endpoints.map(endpointText);
  const cluster = engine === undefined ? [] : [engineText(engine)];
  return `${[...found, ...cluster, factsText(facts), advice.join('\n')].join('\n\n')}\n`;
}

function engineText({ url, isFit, error, version, memoryPolicy, roundTripMs }: EngineLook): string {
  if (!isFit) return `${url}\n  cannot join nodes: ${error}`;
  const lines = [url, `  is ${version} and can join nodes`];
  if (memoryPolicy !== undefined) lines.push(`  when its memory is full: ${memoryPolicy}`);
  if (roundTripMs !== undefined) lines.push(`  a round trip takes ${duration(roundTripMs)}`);
  return lines.join('\n');
}

function factsText({ versions, machine, configuration, places, disk }: SupportFacts): string {
  const { cpus, memoryBytes } = machine;
  const gibibytes = Math.round((memoryBytes / 2 ** 30) * 10) / 10;
  const rows = [
    ['Conclave', `${versions.conclave} on Node ${versions.node}, ${versions.os}`],
    ['Machine', `${count(cpus, 'processor')}, ${gibibytes} GiB of memory`],
    ['Configuration', configuration?.file ?? 'none'],
    ...places.map(({ face, address, state }) => [`serve, ${face}`, `${address}: ${state}`]),
    ...(disk === undefined ? [] : [['Decisions', diskText(disk)]]),
  ];
  return table(rows, { indent: 0 });
}

function diskText({ path, exists, bytes = 0 }: NonNullable<SupportFacts['disk']>): string {
  return exists ? `${path}, ${Math.ceil(bytes / 1_024)} KiB` : `${path}, not written yet`;
}

function endpointText(endpoint: ExaminedEndpoint): string {
  const { name, baseURL, reachable, silent, listMs, models, server, missing, calls, untimed, error } = endpoint;
  const title = baseURL.includes(name) ? baseURL : `${name}, ${baseURL}`;
  if (!reachable) {
    const what = silent ? 'accepts connections and stays silent' : 'cannot be reached';
    return `${title}\n  ${what}: ${error?.message ?? ''}`;
  }
  if (error !== undefined) return `${title}\n  answers, but with no list of models: ${error.message}`;
  const lines = [
    title,
    `  answers in ${duration(listMs)} and lists ${count(models.length, 'model')}: ${listText(models)}`,
    ...(server === undefined ? [] : serverLines(server)),
  ];
  for (const { model, nearest } of missing) {
    const near = nearest.length === 0 ? '' : `; nearest: ${nearest.join(', ')}`;
    lines.push(`  model ${model} is not listed${near}`);
  }
  if (calls.length > 0) lines.push('', table([CALL_COLUMNS, ...calls.map(callRow)], { indent: 2, alignRightFrom: 2 }));
  const able = calls.filter(({ read }) => read !== undefined);
  if (able.length > 0) lines.push('', table([FORM_COLUMNS, ...able.map(formRow)], { indent: 2 }));
  if (untimed.length > 0)
    lines.push('', `  not timed, as no plan would use them: ${listText(untimed)} (--model names others)`);
  return lines.join('\n');
}

/** The facts that a server reports about itself. Missing ones are left out, except for its slots. */
function serverLines({ kind, slots, models }: EndpointFacts): string[] {
  const room = slots === undefined ? 'does not report its slots' : `has ${count(slots, 'slot')}`;
  const lines = [`  is ${SERVER_NAMES[kind]} and ${room}`];
  const loaded = models.filter((model) => model.loaded === true).map(({ id }) => id);
  if (models.some((model) => model.loaded !== undefined)) lines.push(`  loaded: ${listText(loaded) || 'nothing'}`);
  const seeing = models.filter(({ vision }) => vision === true).map(({ id }) => id);
  if (models.some(({ vision }) => vision !== undefined)) lines.push(`  takes pictures: ${listText(seeing) || 'none'}`);
  return lines;
}

const LISTED_MAX = 8;

function listText(models: readonly string[]): string {
  return `${models.slice(0, LISTED_MAX).join(', ')}${models.length > LISTED_MAX ? ', …' : ''}`;
}

const CALL_COLUMNS = ['Model', 'One call', 'Queue', 'First token', 'Total', 'Tokens/s', 'Schema'];

const FORM_COLUMNS = ['Model', 'Can be read', 'Writes', 'Plans ask for', 'One read', 'One written vote'];
const WORDS = { json: 'JSON', text: 'text' } as const;
const FORM_NAMES = {
  decisions: 'decisions',
  systemone: 'System One',
  logprobs: 'log probabilities',
  ...WORDS,
} as const;

function formRow({ model, read = {}, keepsSchema, asked = [], totalMs }: TimedCall): string[] {
  const { form, readMs } = read;
  const can = form === undefined ? 'not known' : form === null ? 'no' : FORM_NAMES[form];
  const asks = asked.map((each) => FORM_NAMES[each]).join(', then ');
  const time = readMs === undefined ? '–' : duration(readMs);
  return [model, can, keepsSchema ? WORDS.json : WORDS.text, asks, time, duration(totalMs)];
}

function callRow(call: TimedCall): string[] {
  const { model, code, queueMs, firstTokenMs, totalMs, tokensPerSecond, keepsSchema } = call;
  const time = (ms: number | undefined): string => (ms === undefined ? '–' : duration(ms));
  const speed = tokensPerSecond === undefined ? '–' : rate(tokensPerSecond);
  const schema = keepsSchema === undefined ? '–' : keepsSchema ? 'kept' : 'not kept';
  return [model, code, time(queueMs), time(firstTokenMs), duration(totalMs), speed, schema];
}
