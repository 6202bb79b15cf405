import type { ExpertRole } from '../../../src/shared/domain.ts';
import { askForVote, voteCall } from '../../../src/shared/vote-answer.ts';
import { oldLayout } from '../../prompt/old-layout.ts';
import { SLOTS } from '../model-server.ts';
import type { Sight, Table } from '../player.ts';
import { MODEL_ID } from '../policy.ts';

export interface Answer {
  readonly sight: Sight;
  readonly action: string;
  /** The calls before this one. */
  readonly order: number;
}

const TIMEOUT_MS = 600_000;

/** Calls of one model by hand, of as many at once as it has slots, with the prompt of the planner's experts. */
export class Asking {
  readonly #table: Table;
  readonly #ended = new AbortController();
  #order = 0;
  #flying = 0;

  constructor(table: Table) {
    this.#table = table;
  }

  get calls(): number {
    return this.#order;
  }

  get free(): number {
    return SLOTS - this.#flying;
  }

  /** `onAnswer` hears the answer when it is there. */
  ask(sight: Sight, onAnswer: (answer: Answer) => void): void {
    const order = this.#order++;
    this.#flying++;
    void this.#call(sight).then((action) => {
      this.#flying--;
      if (action !== undefined) onAnswer({ sight, action, order });
    });
  }

  stop(): void {
    this.#ended.abort();
  }

  async #call(sight: Sight): Promise<string | undefined> {
    const { world, server } = this.#table;
    const { domain } = world;
    // The machine's speed was chosen for this prompt, and stays as it is.
    const role = domain.roles[0] as ExpertRole;
    const messages = oldLayout.messages(domain, { agent: 'agent', ...sight }, role, 'json');
    const terms = {
      model: MODEL_ID,
      maxTokens: 512,
      temperature: 0.2,
      timeoutMs: TIMEOUT_MS,
      stream: true,
      answer: 'json',
      thinks: false,
    } as const;
    const { signal } = this.#ended;
    const result = await askForVote(server, voteCall(terms, messages, sight.actions), sight.actions, signal);
    return result.ok ? result.vote.action : undefined;
  }
}
