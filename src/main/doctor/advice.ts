import type { ExaminedEndpoint, TimedCall } from './examine.ts';

/** A first token later than this was most likely a model being loaded. */
const LOADING_MS = 5_000;
/** A plan is the experts at once and then the synthesis; the default profile gives it this long. */
const PLAN_MS = 10_000;

/** What to do next, one sentence each, most urgent first. */
export function adviceFor(endpoints: readonly ExaminedEndpoint[]): string[] {
  const trouble = endpoints.flatMap(troubleOf);
  const crowded = endpoints.flatMap(crowdingOf);
  const slow = endpoints.flatMap(({ calls }) => calls.flatMap(slownessOf));
  const use = trouble.length === 0 ? endpoints.flatMap(useOf).slice(0, 1) : [];
  return [...trouble, ...crowded, ...slow, ...use];
}

function troubleOf({ baseURL, reachable, silent, models, missing, calls }: ExaminedEndpoint): string[] {
  if (silent)
    return [`The server of ${baseURL} accepts connections and stays silent: it hangs, or is stopped. Start it anew.`];
  if (!reachable) return [`Start the model server of ${baseURL}, or correct the address.`];
  if (models.length === 0) return [`Load a model at ${baseURL}: it lists none.`];
  const ids = missing.map(({ model, nearest }) => {
    const instead = nearest.length > 0 ? `use ${nearest[0]}` : `use one of ${models.slice(0, 3).join(', ')}`;
    return `Model ${model} is not at ${baseURL}: ${instead}, or load it there.`;
  });
  const failed = calls.filter(({ code }) => code !== 'OK');
  return [...ids, ...failed.map((call) => failureText(baseURL, call))];
}

/** The server took the call, and not a token came. */
const SILENT: ReadonlySet<string> = new Set(['ERR_MODEL_TIMEOUT_HEADERS', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN']);

function failureText(baseURL: string, { model, code, message, totalMs }: TimedCall): string {
  if (!SILENT.has(code)) return `Model ${model} did not answer: ${message ?? 'no reason given'}.`;
  const time = `${Math.round(totalMs / 100) / 10} s`;
  return `${baseURL} took a call to ${model} and sent no token in ${time}: it hangs, or is too slow. Look at its log, or start it anew.`;
}

function crowdingOf({ baseURL, displaced }: ExaminedEndpoint): string[] {
  return displaced.map(({ model, by = 'the others' }) => {
    const what = `${model} and ${by} do not fit into the memory of ${baseURL} together: each load of one puts the other out.`;
    return `${what} Plans ask the one that is there (seats: resident); one model for all roles, or more memory, avoids loads.`;
  });
}

function slownessOf({ model, code, firstTokenMs = 0, totalMs }: TimedCall): string[] {
  if (code !== 'OK') return [];
  if (firstTokenMs > LOADING_MS) return [`${model} was probably being loaded; run this again for its real speed.`];
  if (2 * totalMs < PLAN_MS) return [];
  return [
    `${model} is slow for plans within ${PLAN_MS / 1_000} s; give them more with --timeout-ms, or take a smaller model.`,
  ];
}

function useOf({ baseURL, calls }: ExaminedEndpoint): string[] {
  const models = calls.map(({ model }) => ` --model ${model}`);
  return models.length === 0 ? [] : [`Use it: conclave session --endpoint ${baseURL}${models.join('')}`];
}
