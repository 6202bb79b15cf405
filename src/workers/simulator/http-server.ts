import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../../shared/clock.ts';
import { AnswerDesk, type PreparedAnswer } from './answer.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { BodyWriter, type ChatIdentity, type ChatWriter, chatBody, StreamWriter } from './chat-writer.ts';
import { ErrorBodies, type ErrorReply } from './error-bodies.ts';
import { infoPage } from './info-pages.ts';
import { type MachineJob, type MachineStats, SimulatedMachine } from './machine.ts';
import { promptTokens } from './machine-job.ts';
import type { ResolvedSimulatorOptions, SimulatedModel } from './options.ts';
import { answeredBody, parseRead, type ReadPath, readPathOf } from './reads/read-forms.ts';
import type { ReadRequest } from './reads/read-request.ts';

/** Counters since the start; `active` and `queued` are current. */
export interface SimulatorStats extends MachineStats {
  /** Requests for chats and reads received. */
  readonly requests: number;
  /** Requests refused with an error status. */
  readonly refused: number;
  /** Failures simulated: status 500, resets, hangs, error events, cuts. */
  readonly failuresPlayed: number;
}

const BODY_BYTES_MAX = 64_000_000;
/** Keep-alive time as in llama.cpp: the client may reuse a connection at the moment it is closed. */
const KEEP_ALIVE_MS = 5_000;

/** The HTTP interface of the machine: OpenAI's routes and those of reads, with the behaviour of the simulated kind of server. */
export class SimulatorServer {
  readonly #options: ResolvedSimulatorOptions;
  readonly #clock: Clock;
  readonly #machine: SimulatedMachine;
  readonly #desk: AnswerDesk;
  readonly #errors: ErrorBodies;
  readonly #server: Server;
  /** When llama.cpp's single model has been loaded. */
  readonly #readyAtMs: number;
  #requests = 0;
  #refused = 0;
  #failuresPlayed = 0;

  constructor(options: ResolvedSimulatorOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#machine = new SimulatedMachine(this.#isLlamaCpp ? { ...options, preload: true } : options, clock);
    this.#desk = new AnswerDesk(options.seed, options.rates);
    this.#errors = new ErrorBodies(options);
    const loadMs = this.#isLlamaCpp && !options.preload ? (options.models[0]?.loadSeconds ?? 0) * 1_000 : 0;
    this.#readyAtMs = clock.now() + loadMs / options.speed;
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (request, response) => {
      this.#route(request, response);
    });
  }

  /** Resolves with the port. Rejects if the port is taken. */
  listen(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.once('error', reject);
    this.#server.listen(this.#options.port, this.#options.host, () => {
      this.#server.off('error', reject);
      const address = this.#server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : this.#options.port);
    });
    return promise;
  }

  stats(): SimulatorStats {
    return {
      requests: this.#requests,
      refused: this.#refused,
      failuresPlayed: this.#failuresPlayed,
      ...this.#machine.stats(),
    };
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#machine.close();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    return promise;
  }

  get #isLlamaCpp(): boolean {
    return this.#options.flavour === 'llamacpp';
  }

  get #isLoading(): boolean {
    return this.#clock.now() < this.#readyAtMs;
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '/').split('?', 1)[0] as string;
    if (request.method === 'POST' && path === '/v1/chat/completions') {
      this.#receive(request, response, (body) => this.#chat(response, parseChatRequest(body)));
      return;
    }
    const form = request.method === 'POST' ? readPathOf(path) : undefined;
    if (form !== undefined && this.#knows(form)) {
      this.#receive(request, response, (body) => this.#read(response, form, body));
      return;
    }
    request.resume();
    const page = request.method === 'GET' ? this.#page(path) : undefined;
    if (page === undefined) sendError(response, this.#errors.notFound(request.method ?? '', path));
    // While llama.cpp loads its model, it reports only its name.
    else if (this.#isLoading && path !== '/v1/models') sendError(response, this.#errors.loading());
    else sendJson(response, 200, page);
  }

  #page(path: string): object | undefined {
    return infoPage(path, {
      options: this.#options,
      busySlots: this.#machine.stats().active,
      isLoaded: (modelId) => this.#machine.isLoaded(modelId),
    });
  }

  #receive(request: IncomingMessage, response: ServerResponse, serve: (body: string) => void): void {
    this.#requests++;
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    request.on('end', () => {
      if (bytes > BODY_BYTES_MAX) this.#refuse(response, this.#errors.tooLarge());
      else serve(Buffer.concat(chunks).toString('utf8'));
    });
  }

  #chat(response: ServerResponse, request: ChatRequest | string): void {
    if (typeof request === 'string') {
      this.#refuse(response, this.#errors.badRequest(request, false));
      return;
    }
    const model = this.#modelFor(request.model);
    const refusal = this.#refusalOf(request, model);
    if (refusal) this.#refuse(response, refusal);
    else this.#answer(response, this.#told(request), model as SimulatedModel);
  }

  /** A server without log probabilities ignores the request for them. */
  #told(request: ChatRequest): ChatRequest {
    return this.#options.reads.includes('logprobs') ? request : { ...request, topLogprobs: undefined };
  }

  /** Returns what is wrong with a request, before the work starts. */
  #refusalOf(request: ChatRequest, model: SimulatedModel | undefined): ErrorReply | undefined {
    if (this.#isLoading) return this.#errors.loading();
    if (this.#isLlamaCpp && !request.isUnicode) return this.#errors.notUnicode();
    if (this.#isLlamaCpp && request.choices > this.#options.slots) {
      return this.#errors.tooManyChoices(request.choices, this.#options.slots);
    }
    if (!model) return this.#errors.unknownModel(request.model, this.#isStringError(request));
    const { topLogprobs = 0 } = this.#told(request);
    if (topLogprobs > this.#topLogprobsMax) return this.#errors.tooManyLogprobs(topLogprobs, this.#topLogprobsMax);
    const isBlind = request.prompt.images > 0 && !model.vision;
    return isBlind ? this.#errors.noVision(this.#isStringError(request)) : undefined;
  }

  /** llama.cpp can report the whole vocabulary. */
  get #topLogprobsMax(): number {
    return this.#isLlamaCpp ? Number.POSITIVE_INFINITY : 20;
  }

  /** With one model loaded, LM Studio uses it whatever was asked for; llama.cpp ignores the id. */
  #modelFor(id: string): SimulatedModel | undefined {
    const { models } = this.#options;
    if (this.#isLlamaCpp || models.length === 1) return models[0];
    return models.find((model) => model.id === id);
  }

  /** `mixed` decides by the length of the prompt: any rule will do that gives the same request the same form. */
  #isStringError(request: Pick<ChatRequest, 'prompt'>): boolean {
    const { errorShape } = this.#options;
    return errorShape === 'mixed' ? request.prompt.text.length % 2 === 0 : errorShape === 'string';
  }

  #refuse(response: ServerResponse, reply: ErrorReply): void {
    this.#refused++;
    sendError(response, reply);
  }

  #answer(response: ServerResponse, request: ChatRequest, model: SimulatedModel): void {
    // LM Studio gives one answer, however many are asked for.
    const choices = this.#isLlamaCpp ? request.choices : 1;
    const answers = Array.from({ length: choices }, () => this.#desk.prepare(request, model));
    const writer = this.#writerFor(response, request, model, answers);
    this.#settle(response, { model, answers, writer, isString: this.#isStringError(request) });
  }

  /** Carries out the fate of a request. */
  #settle(response: ServerResponse, service: Service): void {
    const { fate } = service.answers[0] as PreparedAnswer;
    if (fate.kind !== 'answer') this.#failuresPlayed++;
    switch (fate.kind) {
      case 'http500':
        this.#refuse(response, this.#errors.crashed(service.isString));
        return;
      case 'reset':
        response.socket?.resetAndDestroy();
        return;
      case 'hang':
        return;
      default:
        if (!this.#work(response, service)) this.#refuse(response, this.#errors.queueFull(service.isString));
    }
  }

  /** Returns false if the queue is full. Each answer is a job with a slot of its own; the first failure ends all of them. */
  #work(response: ServerResponse, { model, answers, writer, isString }: Service): boolean {
    const { fate, tokens } = answers[0] as PreparedAnswer;
    const failsAfter = 'afterTokens' in fate ? fate.afterTokens : Number.POSITIVE_INFINITY;
    const jobs: MachineJob[] = [];
    const abort = (): void => {
      for (const job of jobs) job.abort();
    };
    let isBroken = false;
    const goWrong = (evicted?: string | object): void => {
      if (isBroken) return;
      isBroken = true;
      abort();
      if (evicted !== undefined) return writer.fail(evicted);
      if (fate.kind === 'unparsable') return this.#tellUnparsable(response, writer, isString);
      writer.write(0, failsAfter);
      if (fate.kind === 'cut') response.socket?.destroy();
      else writer.fail(this.#errors.crashed(false).body.error);
    };
    for (const [choice, answer] of answers.entries()) {
      const isFirst = choice === 0;
      const job = this.#machine.submit({
        model,
        prompt: answer.prompt,
        tokens: answer.tokens.length,
        random: answer.latencyRandom,
        listener: {
          onStart: () => writer.start(),
          onTokens: (count) => (isFirst && count > failsAfter ? goWrong() : writer.write(choice, count)),
          onEvicted: () => goWrong(this.#errors.unloaded().body.error),
          onDone: (usage) => (isFirst && failsAfter <= tokens.length ? goWrong() : writer.finish(choice, usage)),
        },
      });
      if (job === undefined) {
        abort();
        return false;
      }
      jobs.push(job);
    }
    // Without work to do it may already have ended.
    if (isBroken) abort();
    response.once('close', () => {
      if (!response.writableFinished) abort();
    });
    return true;
  }

  /** The server reads the whole answer before it can report the error: as a status if nothing has been sent, else as an event. */
  #tellUnparsable(response: ServerResponse, writer: ChatWriter, isString: boolean): void {
    const reply = this.#errors.unparsable(isString);
    if (response.headersSent) writer.fail(reply.body.error);
    else this.#refuse(response, reply);
  }

  #writerFor(
    response: ServerResponse,
    request: ChatRequest,
    model: SimulatedModel,
    answers: readonly PreparedAnswer[],
  ): ChatWriter {
    const identity = { ...this.#identity(model, answers[0] as PreparedAnswer), hasTimings: this.#isLlamaCpp };
    return request.stream
      ? new StreamWriter(response, request, answers, identity)
      : new BodyWriter(response, answers.length, (usage) => chatBody(answers, usage, identity));
  }

  #identity(model: SimulatedModel, { random }: PreparedAnswer): Omit<ChatIdentity, 'hasTimings'> {
    return {
      id: `chatcmpl-${Math.floor(random.next() * 2 ** 48).toString(36)}`,
      model: model.id,
      created: Math.floor(this.#clock.wallNow() / 1_000),
    };
  }

  /** True if the server has the path, even without a model for it. */
  #knows(form: ReadPath): boolean {
    const { reads, flavour } = this.#options;
    if (reads.includes(form) || flavour === 'vllm') return true;
    return form === 'systemone' && flavour !== 'lmstudio';
  }

  #read(response: ServerResponse, form: ReadPath, body: string): void {
    const request = parseRead(form, body, this.#options.flavour);
    const refusal = this.#refusalOfRead(form, request);
    if (refusal) this.#refuse(response, refusal);
    else this.#answerRead(response, request as ReadRequest);
  }

  #refusalOfRead(form: ReadPath, request: ReadRequest | string): ErrorReply | undefined {
    if (this.#isLoading) return this.#errors.loading();
    const isServed = this.#options.reads.includes(form);
    if (typeof request === 'string')
      return isServed
        ? this.#errors.badRequest(request, false)
        : this.#errors.noDecisions(this.#options.models[0]?.id ?? '');
    if (this.#isLlamaCpp && !request.isUnicode) return this.#errors.notUnicode();
    const model = this.#modelFor(request.model);
    if (!model) return this.#errors.unknownModel(request.model, this.#isStringError(request));
    if (!isServed) return this.#errors.noDecisions(model.id);
    if (promptTokens(request.prompt) > model.contextTokens) return this.#errors.tooLong(model.contextTokens);
    return request.prompt.images > 0 && !model.vision ? this.#errors.noVision(false) : undefined;
  }

  /** All questions are one job: one slot, one reading of the state, and a token for each. */
  #answerRead(response: ServerResponse, request: ReadRequest): void {
    const model = this.#modelFor(request.model) as SimulatedModel;
    const answer = this.#desk.prepareRead(request, model);
    const identity = { ...this.#identity(model, answer), flavour: this.#options.flavour };
    const writer = new BodyWriter(response, 1, (usage) => answeredBody(request, answer.reads, usage, identity));
    this.#settle(response, { model, answers: [answer], writer, isString: this.#isStringError(request) });
  }
}

/** A request being worked on. */
interface Service {
  readonly model: SimulatedModel;
  readonly answers: readonly PreparedAnswer[];
  readonly writer: ChatWriter;
  /** Whether errors have the form of a text. */
  readonly isString: boolean;
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function sendError(response: ServerResponse, { status, body }: ErrorReply): void {
  sendJson(response, status, body);
}
