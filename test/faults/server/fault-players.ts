import type { Exchange } from './exchange.ts';
import type { FaultName } from './fault-names.ts';

/** What a real server takes; the server's scale shortens it. */
const LOAD_MS = 60_000;
const DRIP_MS = 3_000;
const COMMENT_MS = 5_000;
const LONG_ANSWER_MS = 60_000;
const SHRUNK_MS = 60_000;
const LONG_ANSWER_TOKENS = 40;

/** The start of an answer in which nothing is decided yet. */
const UNDECIDED = 'Let me weigh the options';

type Player = (exchange: Exchange) => void;

/** Nothing more is sent, and the connection stands. */
const silence = (): void => {};

/** What each fault does to one request. Where a fault has several forms, the seed picks one. */
export const FAULT_PLAYERS: Readonly<Record<FaultName, Player>> = {
  // Both meet connections: the listener plays them.
  refused: (exchange) => exchange.answerWell(),
  'black-hole': (exchange) => exchange.answerWell(),

  'accepted-silent': silence,
  'headers-silent': (exchange) => exchange.head(),
  'first-chunk-silent': (exchange) => exchange.head(exchange.piece(UNDECIDED)),
  'slow-drip': (exchange) => drip(exchange, exchange.server.scaled(DRIP_MS)),
  'comments-only': (exchange) => {
    exchange.head(': waiting\n\n');
    repeat(exchange, exchange.server.scaled(COMMENT_MS), () => exchange.write(': waiting\n\n'));
  },
  'cut-without-done': (exchange) => {
    exchange.head(exchange.piece(UNDECIDED));
    exchange.after(exchange.server.tokenMs, () => exchange.end());
  },
  'malformed-event': (exchange) => {
    const event = exchange.pickOf(['{"choices":[{"delta":{"content":"1', 'null', 'undefined', '{"a":NaN}', '"text"']);
    exchange.head(exchange.piece(UNDECIDED));
    exchange.end(exchange.event(event) + exchange.piece(`\n${exchange.choiceText}`) + exchange.finish());
  },
  'error-body-200': (exchange) => {
    const message = 'Unexpected endpoint or method. (POST /v1/chat/completions)';
    exchange.status(200, exchange.pickOf([{ error: message }, { error: { message, code: null } }]));
  },
  'error-event-200': (exchange) => {
    const error = exchange.pickOf([{ code: 500, message: 'Compute error.', type: 'server_error' }, 'Compute error.']);
    exchange.head(exchange.pickOf(['', exchange.piece(UNDECIDED)]));
    exchange.end(exchange.event({ error }));
  },
  'empty-content': (exchange) => {
    exchange.head(exchange.piece(exchange.pickOf(['', '\n', '   '])));
    exchange.end(exchange.finish());
  },
  'json-in-reasoning': (exchange) => {
    const reasoning_content = exchange.choiceJson;
    exchange.head(exchange.event({ choices: [{ index: 0, delta: { content: '', reasoning_content } }] }));
    exchange.end(exchange.finish());
  },
  'think-unclosed': (exchange) => {
    exchange.head(exchange.piece('<think>\n') + exchange.piece(`${UNDECIDED}, of which 1 and 2 look good.`));
    exchange.end(exchange.finish(exchange.pickOf(['length', 'stop'])));
  },
  'other-model': (exchange) => exchange.answerWell({ model: 'another/model-7b@q4_k_m' }),
  'invalid-id-object': (exchange) => {
    const message = `Invalid model identifier "${exchange.model}". Please specify a valid downloaded model.`;
    exchange.status(400, {
      error: { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
    });
  },
  'invalid-id-string': (exchange) =>
    exchange.status(400, { error: `Invalid model identifier "${exchange.model}". Please specify a valid model.` }),
  'no-models-loaded': (exchange) => {
    const message = 'No models loaded. Please load a model in the developer page or use the `lms load` command.';
    exchange.status(400, { error: exchange.pickOf([message, { message }]) });
  },
  'html-500': (exchange) => {
    const html = `<html><head><title>500</title></head><body>${'<p>Internal error</p>'.repeat(50)}`;
    exchange.pickOf([
      () => exchange.page(html),
      // Its end never comes.
      () => exchange.pageHead(html),
      () => flood(exchange, () => exchange.pageHead(html)),
    ])();
  },
  'loading-503': (exchange) =>
    exchange.status(503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }),
  'rate-limited-429': (exchange) => {
    const after = exchange.pickOf(['1', '0', '86400', '-1', 'soon', 'Wed, 21 Oct 2099 07:28:00 GMT', '9'.repeat(30)]);
    exchange.status(429, { error: { message: 'Too many requests' } }, { 'retry-after': after });
  },
  'fast-503': (exchange) => exchange.status(503, ''),
  'cold-load': (exchange) =>
    exchange.server.whenLoaded(exchange.server.scaled(LOAD_MS), () => {
      if (exchange.isOpen) exchange.answerWell();
    }),
  'evicted-mid-answer': (exchange) => {
    exchange.head(exchange.piece(UNDECIDED));
    const gone = exchange.event({ error: { message: 'Model unloaded.' } });
    exchange.after(exchange.server.tokenMs, () => exchange.end(gone));
  },
  'abort-ignored': ignoreAbort,
  'slots-shrink': (exchange) => {
    exchange.server.shrinkSlots(exchange.server.scaled(SHRUNK_MS));
    exchange.answerWell();
  },
  'huge-answer': (exchange) => flood(exchange),
  'odd-numbers': oddNumbers,
  'illegal-action': (exchange) => {
    const { length } = exchange.prompt.actions;
    exchange.say([exchange.pickOf([String(length + 1), '0', 'fly to the moon']), '\n', 'It is the best choice.', '\n']);
  },
  'two-actions': (exchange) => {
    const { actions } = exchange.prompt;
    const one = exchange.choice;
    const other = (one + 1) % Math.max(1, actions.length);
    exchange.say([`Either ${actions[one]} or ${actions[other]}`]);
  },
  'reset-mid-body': (exchange) => {
    exchange.head(exchange.piece(UNDECIDED));
    exchange.after(exchange.server.tokenMs, () => exchange.breakOff('reset'));
  },
  'closed-at-reuse': (exchange) => {
    if (exchange.servedBefore === 0) exchange.answerAtOnce();
    else exchange.breakOff(exchange.pickOf(['close', 'reset']));
  },
  'clock-jump': (exchange) => {
    exchange.server.jumpClock();
    exchange.answerWell();
  },
  'blank-finish-cut': (exchange) => {
    const finish_reason = exchange.pickOf(['', ' ', 'null']);
    // "12" cut after "1" is no "1".
    exchange.head(exchange.event({ choices: [{ index: 0, delta: { content: '1' }, finish_reason }] }));
    exchange.after(exchange.server.tokenMs, () => exchange.end());
  },
  'finish-silent': (exchange) => {
    const finish = exchange.event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    exchange.head(exchange.piece(exchange.choiceText) + finish);
  },
  'odd-events': oddEvents,
  'words-in-parts': (exchange) => {
    const parts = exchange.answerText.match(/[^\s,]*[\s,]?/g) ?? [];
    const delta = (content: object): string => exchange.event({ choices: [{ index: 0, delta: { content } }] });
    exchange.head(delta([{ type: 'thinking', thinking: [{ type: 'text', text: UNDECIDED }] }]));
    exchange.end(parts.map((text) => delta([{ type: 'text', text }])).join('') + exchange.finish());
  },
  'thought-in-channels': (exchange) => {
    const [first, second = ''] = exchange.prompt.actions;
    const thought = `<|channel|>analysis<|message|>${first}, or ${second}?\n1\n<|end|>`;
    const final = `<|start|>assistant<|channel|>final<|message|>${exchange.answerText}`;
    exchange.head(exchange.piece(thought));
    exchange.end(exchange.piece(final) + exchange.finish());
  },
  'no-choice': (exchange) => {
    const error = { object: 'error', message: 'Compute error.', code: 500 };
    exchange.head();
    exchange.end(
      exchange.pickOf(['', exchange.event({ choices: [] }), exchange.event(error)]) + exchange.event('[DONE]'),
    );
  },
  'stream-options-refused': (exchange) => {
    if (!exchange.hasStreamOptions) return exchange.answerWell();
    const message = exchange.pickOf(['stream_options is not supported', 'Unrecognized request argument supplied']);
    exchange.status(400, { error: { message, type: 'invalid_request_error' } });
  },
};

/** A good answer in events, or a body, as some servers and proxies put them. */
function oddEvents(exchange: Exchange): void {
  const events = exchange.piece(exchange.answerText) + exchange.finish();
  const message = { role: 'assistant', content: exchange.answerText };
  const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] });
  const [text, type] = exchange.pickOf([
    [`\ufeff${events}`],
    [events.replaceAll('\n', '\r')],
    [events.replace('[DONE]', ' [DONE] ')],
    [events, 'TEXT/EVENT-STREAM'],
    [events, 'text/plain'],
    [events, 'application/json'],
    [body],
  ] as const);
  exchange.head(text, type);
  exchange.end();
}

function choiceOf(exchange: Exchange): number | string {
  return exchange.prompt.isNumbered ? exchange.choice + 1 : exchange.choiceText;
}

function repeat(exchange: Exchange, everyMs: number, act: () => void): void {
  exchange.after(everyMs, () => {
    act();
    repeat(exchange, everyMs, act);
  });
}

/** Token by token, for longer than anybody waits. */
function drip(exchange: Exchange, everyMs: number): void {
  exchange.head(exchange.piece(UNDECIDED));
  repeat(exchange, everyMs, () => exchange.write(exchange.piece(', and again')));
}

/** A long answer that holds its slot to its end, whether anybody listens or not. */
function ignoreAbort(exchange: Exchange): void {
  const { server } = exchange;
  const claim = server.slots.take(() => {
    if (exchange.isOpen) drip(exchange, server.scaled(LONG_ANSWER_MS / LONG_ANSWER_TOKENS));
    server.later(server.scaled(LONG_ANSWER_MS), () => {
      claim.release();
      exchange.end(exchange.piece(`\n${exchange.choiceText}`) + exchange.finish());
    });
  });
}

const FLOOD_CHARS = 65_536;

/** An answer without end, as fast as it is read: as text, as thought, as white space, as one line, or as comments. */
function flood(exchange: Exchange, begin = (): void => exchange.head()): void {
  const text = 'x'.repeat(FLOOD_CHARS);
  const chunk = exchange.pickOf([
    exchange.piece(text),
    exchange.piece(' '.repeat(FLOOD_CHARS)),
    exchange.event({ choices: [{ index: 0, delta: { reasoning_content: text } }] }),
    text,
    `: ${text}\n`,
  ]);
  const bytes = Buffer.from(chunk);
  let left = exchange.server.hugeBytes;
  const pour = (): void => {
    while (left > 0 && exchange.isOpen) {
      left -= bytes.length;
      if (!exchange.write(bytes)) return exchange.onDrain(pour);
    }
    exchange.end(exchange.finish());
  };
  begin();
  pour();
}

function oddNumbers(exchange: Exchange): void {
  const why = '\nIt suits this moment.\n';
  const huge = { prompt_tokens: 1e308, completion_tokens: 1e308, prompt_tokens_details: { cached_tokens: 1e308 } };
  const odd = { prompt_tokens: -1, completion_tokens: '12', prompt_tokens_details: { cached_tokens: 0.5 } };
  exchange.pickOf([
    () => tell(exchange, `${exchange.choiceText}${why}`, exchange.finish('stop', huge)),
    () => tell(exchange, `${exchange.choiceText}${why}`, exchange.finish('stop', odd)),
    () => tell(exchange, exchange.choiceText, `data: {"choices":[],"usage":{"prompt_tokens":NaN}}\n\n`),
    () => tell(exchange, `NaN${why}`, exchange.finish()),
    () => tell(exchange, `${'9'.repeat(400)}${why}`, exchange.finish()),
    () => tell(exchange, `-1${why}`, exchange.finish()),
    () => tell(exchange, `1e308${why}`, exchange.finish()),
    () => tell(exchange, `{"action": 1e999, "confidence": 1e999}`, exchange.finish()),
    () => tell(exchange, `{"action": ${choiceOf(exchange)}, "confidence": -1e308}`, exchange.finish()),
  ])();
}

/** In one packet, so that nothing of it is cut off unread. */
function tell(exchange: Exchange, content: string, ending: string): void {
  exchange.head();
  exchange.end(exchange.piece(content) + ending);
}
