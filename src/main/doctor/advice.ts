import { SERVER_NAMES } from '../models/discovery/endpoint-facts.ts';
import { isChatModel } from '../models/names/choose-models.ts';
import type { ExaminedEndpoint, TimedCall } from './examine.ts';

/** A first token later than this most likely waited for a model to load. */
const LOADING_MS = 5_000;
/** Time limit of a plan in the default profile: the experts at once and then the synthesis. */
const PLAN_MS = 10_000;

/** True if a planner would work with these servers: each serves everything that would be used. */
export function areWell(endpoints: readonly ExaminedEndpoint[]): boolean {
  return endpoints.length > 0 && endpoints.every((endpoint) => troubleOf(endpoint).length === 0);
}

/** Advice on what to do next, one sentence each, most urgent first. */
export function adviceFor(endpoints: readonly ExaminedEndpoint[]): string[] {
  const trouble = endpoints.flatMap(troubleOf);
  const crowded = endpoints.flatMap(crowdingOf);
  const slow = endpoints.flatMap(({ calls }) => calls.flatMap(slownessOf));
  const reads = endpoints.flatMap(readingOf);
  const use = trouble.length === 0 ? useOf(endpoints) : [];
  return [...trouble, ...endpoints.flatMap(addressAdvice), ...crowded, ...slow, ...reads, ...use];
}

function addressAdvice({ givenURL, baseURL }: ExaminedEndpoint): string[] {
  return givenURL === undefined ? [] : [`Use ${baseURL} instead of ${givenURL}: the list of models is there.`];
}

function troubleOf(endpoint: ExaminedEndpoint): string[] {
  const { baseURL, reachable, silent, trouble, error, models, missing, calls, isNamed } = endpoint;
  if (silent)
    return [`The server of ${baseURL} accepts connections and stays silent: it hangs, or is stopped. Restart it.`];
  if (!reachable) return [`Start the model server of ${baseURL}, or correct the address.`];
  if (trouble === 'key') return [keyAdvice(endpoint)];
  if (trouble === 'loading') return [`${baseURL} is loading its model: wait for it, and run this again.`];
  if (error !== undefined) {
    return [`${baseURL} answers, but with no list of models (${error.message}): correct the address, or see its log.`];
  }
  if (models.length === 0) return [`Load a model at ${baseURL}: it lists none.`];
  if (!isNamed && !models.some(isChatModel)) return [`Load a chat model at ${baseURL}: it lists none.`];
  const ids = missing.map(({ model, nearest }) => {
    const instead = nearest.length > 0 ? `use ${nearest[0]}` : `use one of ${models.slice(0, 3).join(', ')}`;
    return `Model ${model} is not at ${baseURL}: ${instead}, or load it there.`;
  });
  return [...ids, ...calls.flatMap((call) => failureAdvice(baseURL, call))];
}

function keyAdvice({ baseURL, keyVariable, hasKey }: ExaminedEndpoint): string {
  const where = `--api-key, ${keyVariable} or apiKey in the configuration`;
  return hasKey
    ? `${baseURL} refuses its key: correct it with ${where}.`
    : `${baseURL} requires a key: set it with ${where}.`;
}

/** Errors of a server that took the call but sent no token. */
const SILENT: ReadonlySet<string> = new Set(['ERR_MODEL_TIMEOUT_HEADERS', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN']);

function failureAdvice(baseURL: string, { model, code, message = 'no reason given', totalMs }: TimedCall): string[] {
  if (code === 'OK') return [];
  if (SILENT.has(code)) {
    const time = `${Math.round(totalMs / 100) / 10} s`;
    return [
      `${baseURL} took a call to ${model} and sent no token in ${time}: it hangs, or is too slow. Look at its log, or restart it.`,
    ];
  }
  const cure = code.startsWith('ERR_MODEL_TIMEOUT')
    ? 'give it more time with --timeout-ms, or use a smaller model'
    : code === 'ERR_MODEL_OVERLOADED'
      ? 'wait until the server is less busy, and run this again'
      : 'see the log of the server, or name another model with --model';
  return [`Model ${model} at ${baseURL} did not answer (${message}): ${cure}.`];
}

function crowdingOf({ baseURL, displaced }: ExaminedEndpoint): string[] {
  return displaced.map(({ model, by = 'the others' }) => {
    const what = `${model} and ${by} do not fit into the memory of ${baseURL} together: loading one evicts the other.`;
    return `${what} Plans ask the loaded one (seats: resident); one model for all roles, or more memory, avoids loads.`;
  });
}

function slownessOf({ model, code, firstTokenMs = 0, totalMs }: TimedCall): string[] {
  if (code !== 'OK') return [];
  if (firstTokenMs > LOADING_MS) return [`${model} was probably being loaded; run this again for its real speed.`];
  if (2 * totalMs < PLAN_MS) return [];
  return [
    `${model} is slow for plans within ${PLAN_MS / 1_000} s; give them more with --timeout-ms, or use a smaller model.`,
  ];
}

function readingOf({ baseURL, server, calls }: ExaminedEndpoint): string[] {
  const kind = server?.kind ?? 'unknown';
  return calls.flatMap((call) => readAdvice(kind === 'unknown' ? baseURL : SERVER_NAMES[kind], call));
}

/** How to let plans read a model that they ask in words. */
function readAdvice(server: string, { model, read, answers, thinks, totalMs }: TimedCall): string[] {
  if (read === undefined) return [];
  const { form, readMs = totalMs } = read;
  if (answers === 'write') {
    const isSooner = form !== undefined && form !== null && readMs < totalMs;
    return isSooner ? [`${model} can be read, which is quicker than words: set answers to auto.`] : [];
  }
  if (form !== null) return [];
  if (thinks) return [`${model} thinks before it answers: switch thinking off for reads, or use a decision model.`];
  return [`${server} tells no log probabilities of ${model}: it is asked in words. A decision model could be read.`];
}

function useOf(endpoints: readonly ExaminedEndpoint[]): string[] {
  const used = endpoints.filter(({ calls }) => calls.length > 0);
  const models = new Set(used.flatMap(({ calls }) => calls.map(({ model }) => model)));
  const flags = [...used.map(({ baseURL }) => `--endpoint ${baseURL}`), ...[...models].map((id) => `--model ${id}`)];
  return used.length === 0 ? [] : [`Use ${used.length === 1 ? 'it' : 'them'}: conclave session ${flags.join(' ')}`];
}
