import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A model server that costs a client nothing but the protocol, in a process of its own: `start-server.ts` forks it with
 * the mode and its model as arguments. `answer` answers every chat call at once, `drip` sends each event on its own, and
 * `silent` reads chat calls and never answers. `stock` is `answer` without a call for decisions. All of them list the model.
 */
export type ServerMode = 'answer' | 'drip' | 'silent' | 'stock';

/** To the parent: the address, then the number of chat calls received whenever the parent asks with any message. */
export type ServerMessage = { readonly port: number } | { readonly calls: number };

const ANSWER = '2\nThe second choice answers best to what is visible now and leaves a way out.';
const USAGE = { prompt_tokens: 420, completion_tokens: 18, total_tokens: 438 };

const [mode, model] = process.argv.slice(2) as [ServerMode, string];
let calls = 0;

const base = { id: 'chatcmpl-1', created: 1_700_000_000, model };

function event(choices: readonly object[], rest: object = {}): string {
  const chunk = { ...base, object: 'chat.completion.chunk', system_fingerprint: 'bench', choices, ...rest };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function delta(content: object, finishReason: string | null = null): string {
  return event([{ index: 0, delta: content, logprobs: null, finish_reason: finishReason }]);
}

/** As llama.cpp and LM Studio send it: the role, one event a token, the finish reason, the usage, [DONE]. */
function streamEvents(withUsage: boolean): string[] {
  const tokens = ANSWER.match(/\n| ?[^\s]+/g) ?? [];
  return [
    delta({ role: 'assistant', content: null }),
    ...tokens.map((content) => delta({ content })),
    delta({}, 'stop'),
    ...(withUsage ? [event([], { usage: USAGE })] : []),
    'data: [DONE]\n\n',
  ];
}

const STREAM = { plain: streamEvents(false), withUsage: streamEvents(true) };
const WHOLE = JSON.stringify({
  ...base,
  object: 'chat.completion',
  system_fingerprint: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: ANSWER }, logprobs: null, finish_reason: 'stop' }],
  usage: USAGE,
});
/** One token and its alternatives: the labels of two options. */
const READ_TOKENS = [0.8, 0.2].map((chance, index) => ({
  token: String(index + 1),
  logprob: Math.log(chance),
  bytes: [49 + index],
}));
const READ = JSON.stringify({
  ...base,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: '1' },
      logprobs: { content: [{ ...READ_TOKENS[0], top_logprobs: READ_TOKENS }] },
      finish_reason: 'length',
    },
  ],
  usage: { prompt_tokens: 420, completion_tokens: 1, total_tokens: 421 },
});
const MODELS = JSON.stringify({
  object: 'list',
  data: [{ id: model, object: 'model', created: 1, owned_by: 'bench' }],
});

function sendJson(res: ServerResponse, body: string): void {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function drip(res: ServerResponse, events: readonly string[], next = 0): void {
  if (next === events.length || res.destroyed) {
    res.end();
    return;
  }
  res.write(events[next]);
  setImmediate(() => drip(res, events, next + 1));
}

function answerChat(body: string, res: ServerResponse): void {
  calls++;
  if (mode === 'silent') return;
  const { stream, stream_options, logprobs } = JSON.parse(body) as {
    logprobs?: boolean;
    stream?: boolean;
    stream_options?: { include_usage?: boolean };
  };
  if (stream !== true) return sendJson(res, logprobs === true ? READ : WHOLE);
  const events = stream_options?.include_usage === true ? STREAM.withUsage : STREAM.plain;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  if (mode === 'drip') drip(res, events);
  else res.end(events.join(''));
}

/** The second choice of each question, as sure as models are. */
function answerDecisions(body: string, res: ServerResponse): void {
  calls++;
  const { questions } = JSON.parse(body) as {
    questions: readonly { name: string; choices: readonly { value: string }[] }[];
  };
  const answers = questions.map(({ name, choices }) => {
    const probabilities = choices.map(({ value }, index) => ({
      value,
      probability: index === 1 ? 0.8 : 0.2 / (choices.length - 1),
    }));
    return { type: 'choice', name, choice: choices[1]?.value, confidence: 0.8, probabilities };
  });
  const usage = { input_tokens: 420, output_tokens: 4, total_tokens: 424, input_tokens_details: { cached_tokens: 0 } };
  sendJson(res, JSON.stringify({ object: 'decision', model, answers, usage }));
}

function handle(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === '/v1/models') return sendJson(res, MODELS);
  if (req.method === 'GET') {
    res.writeHead(404).end();
    return;
  }
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    if (mode === 'stock' && req.url !== '/v1/chat/completions') res.writeHead(404).end('{}');
    else if (req.url === '/v1/decisions') answerDecisions(body, res);
    else answerChat(body, res);
  });
}

function tell(message: ServerMessage): void {
  process.send?.(message);
}

// Connections outlive the pauses between the rounds of a bench: reconnecting is not what it measures.
const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, handle);
server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }));
process.on('message', () => tell({ calls }));
process.on('disconnect', () => process.exit());
