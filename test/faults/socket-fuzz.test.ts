import { expect, test } from 'vitest';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import { answersTo, checkAnswer } from '../support/line-answers.ts';
import { request } from '../support/make-planner.ts';
import { makeSocketLoad } from '../support/make-socket-load.ts';
import { type Answer, RawClient } from '../support/raw-client.ts';
import { lineValues } from '../support/rows/line-rows.ts';

/** The whole number is 100,000. `FUZZ_SEED` replays a run. */
const LINES = Number(process.env.FUZZ_LINES ?? 5_000);
const SEED = Number(process.env.FUZZ_SEED ?? 2_026);
/** Sent before their answers are looked at. */
const WINDOW = 40;

const LINE_VALUES = lineValues(request());
const VALUES = [
  null,
  true,
  -1,
  0.5,
  1e308,
  2 ** 60,
  '',
  'ż🐢',
  '__proto__',
  'constructor',
  [],
  {},
  [[]],
  { a: [] },
  'x'.repeat(5_000),
];
const TOKENS = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\',
  '\\u',
  '\\ud800',
  '\r',
  '\n',
  '\t',
  '\0',
  '1e999',
  '-',
  'NaN',
  '//',
  '\ufeff',
  '\u2028',
  'null',
  '[[[['.repeat(500),
];

/** Changes one member somewhere inside. */
function changeValue(random: Random, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || random.next() < 0.15) return pick(random, VALUES);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.next() < 0.2) return [...value, pick(random, VALUES)];
    const at = randomIndex(random, value.length);
    return value.with(at, changeValue(random, value[at]));
  }
  const entries = Object.entries(value);
  const at = randomIndex(random, entries.length + 1);
  const [key, inner] = entries[at] ?? [String(pick(random, VALUES)), undefined];
  if (inner !== undefined && random.next() < 0.2) return Object.fromEntries(entries.filter(([name]) => name !== key));
  if (inner !== undefined && random.next() < 0.1) return Object.fromEntries([...entries, [`${key}X`, inner]]);
  return JSON.parse(
    JSON.stringify({ ...value })
      .slice(0, -1)
      .concat(
        entries.length > 0 ? ',' : '',
        JSON.stringify(key),
        ':',
        JSON.stringify(changeValue(random, inner ?? null)),
        '}',
      ),
  );
}

/** Changes bytes: some are no UTF-8, some end the line. */
function changeBytes(random: Random, line: Buffer): Buffer {
  const at = randomIndex(random, line.length + 1);
  const rest = line.subarray(at);
  switch (randomIndex(random, 5)) {
    case 0:
      return Buffer.concat([line.subarray(0, at), Buffer.from(pick(random, TOKENS)), rest]);
    case 1:
      return line.subarray(0, at);
    case 2:
      return Buffer.concat([line.subarray(0, at), line.subarray(at + 1 + randomIndex(random, 8))]);
    case 3:
      return Buffer.concat([line.subarray(0, at), Buffer.of(randomIndex(random, 256)), rest.subarray(1)]);
    default:
      return Buffer.concat([line.subarray(0, at), rest, rest]);
  }
}

function mutated(random: Random): Buffer {
  let value = pick(random, LINE_VALUES);
  for (let times = randomIndex(random, 3); times > 0; times--) value = changeValue(random, value);
  let line: Buffer = Buffer.from(JSON.stringify(value));
  for (let times = randomIndex(random, 3); times > 0; times--) line = changeBytes(random, line);
  return line;
}

test(`each of ${LINES} mutated lines is answered, with a result or a code, and another client is not affected (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + 5 * LINES,
}, async () => {
  await using at = await makeSocketLoad();
  using fuzzed = await RawClient.connect(at.path);
  using beside = await RawClient.connect(at.path);
  const kinds = { results: 0, errors: 0 };
  for (let first = 0; first < LINES; first += WINDOW) {
    const lines = Array.from({ length: WINDOW }, (_, index) => mutated(forkRandom(SEED, `line ${first + index}`)));
    const expected = lines.reduce((sum, line) => sum + answersTo(line), 0);
    for (const line of lines) fuzzed.socket.write(Buffer.concat([line, Buffer.from('\n')]));
    const where = `lines ${first} to ${first + WINDOW - 1}`;
    for (let heard = 0; heard < expected; ) {
      const told = (await fuzzed.next().catch((error) => {
        throw new Error(`${where}: ${heard} of ${expected} answers`, { cause: error });
      })) as Answer | Answer[];
      if (!Array.isArray(told) && told.method === '$/progress') continue;
      heard++;
      for (const answer of Array.isArray(told) ? told : [told]) {
        checkAnswer(answer);
        kinds[answer.error === undefined ? 'results' : 'errors']++;
      }
    }
    const agent = `beside ${first}`;
    expect((await beside.ask(first, 'plan', request({ agent }))).result).toMatchObject({ agent, action: 'block' });
  }
  // Nothing more than was expected has come.
  fuzzed.call('last', 'ping');
  let last = await fuzzed.next();
  while (last.method === '$/progress') last = await fuzzed.next();
  expect(last.id).toBe('last');
  expect(Math.min(kinds.results, kinds.errors)).toBeGreaterThan(LINES / 10);
  expect(at.face.connected).toBe(2);
});
