import type { PlanCache } from '../cache/plan-cache.ts';
import { type ActStats, AgentActs } from './agents/agent-acts.ts';
import { FIELDS_LUA } from './engine/fields-lua.ts';
import { type EvidenceStats, SharedEvidence } from './evidence/shared-evidence.ts';
import { DecisionLog, type DecisionLogParts, type LogStats } from './log/decision-log.ts';
import { entryId, entryText } from './log/entry-id.ts';
import { LOG_LUA } from './log/log-lua.ts';
import { ClusterStates, type StateStats } from './states/cluster-states.ts';
import { STATES_LUA } from './states/states-lua.ts';

/** The engine's functions for what a domain shares. */
export const SHARED_DOMAIN_LUA = [LOG_LUA, STATES_LUA, FIELDS_LUA];

/** Without a cache, a decision is kept this long for flights that ask just after it was made, in milliseconds. */
const MADE_UNCACHED_MS = 100;

export interface SharedDomainParts extends Omit<DecisionLogParts, 'memory' | 'clearedAt'> {
  /** Undefined if the cache is off. */
  readonly cache: PlanCache | undefined;
}

export interface SharedDomainStats {
  readonly log: LogStats;
  readonly states: StateStats;
  readonly acts: ActStats;
  /** Undefined if the cache is off. */
  readonly evidence: EvidenceStats | undefined;
}

/** What the nodes of a cluster share of one domain: the log of decisions, one flight for each state, evidence, and the last acts of agents. */
export class SharedDomain {
  readonly states: ClusterStates;
  readonly #log: DecisionLog;
  readonly #acts: AgentActs;
  readonly #evidence: SharedEvidence | undefined;
  readonly #end: () => void;

  /** Starts at once. Nothing waits for the engine. */
  constructor(parts: SharedDomainParts) {
    const { cache, engine } = parts;
    const name = parts.names.key('log', parts.fingerprint);
    const { lastClear } = cache?.exchange ?? {};
    const clearedAt = lastClear?.log === name ? entryId(lastClear.entry) : undefined;
    const log = new DecisionLog({ ...parts, memory: cache, clearedAt });
    log.onClearNoted = (id) => {
      if (id.epoch > 0) cache?.exchange.noteClear({ log: name, entry: entryText(id) });
    };
    this.#log = log;
    this.states = new ClusterStates({
      ...parts,
      ...(cache === undefined ? { madeMs: MADE_UNCACHED_MS } : {}),
      endClaim: (claim, state) => log.endClaim(claim, state),
    });
    this.#acts = new AgentActs(cache ?? NO_ACTS);
    log.takeActs = () => this.#acts.take();
    log.onAct = (act) => this.#acts.heard(act);
    log.onClear = () => this.states.cleared();
    log.onState = (state) => this.states.changed(state);
    this.#end = engine.onChange(() => this.states.changedAll());
    if (cache !== undefined) this.#evidence = this.#shareEvidence(parts, cache);
    cache?.share(log, () => log.noteActs());
    log.start();
    this.#evidence?.start();
  }

  #shareEvidence(parts: SharedDomainParts, memory: PlanCache): SharedEvidence {
    const log = this.#log;
    const clearedAt = (): string | undefined => log.clearedAt && entryText(log.clearedAt);
    const evidence = new SharedEvidence({ ...parts, memory, clearedAt, precedents: log.precedents });
    memory.exchange.ownNumber = () => log.precedents.lastNumber;
    log.onPrecedent = (...told) => evidence.learned(...told);
    log.onLive = () => evidence.wake();
    return evidence;
  }

  stats(): SharedDomainStats {
    return {
      log: this.#log.stats(),
      states: this.states.stats(),
      acts: this.#acts.stats(),
      evidence: this.#evidence?.stats(),
    };
  }

  /** Sends what waits. Never rejects. */
  async close(): Promise<void> {
    this.#end();
    this.states.changedAll();
    await Promise.all([this.#log.close(), this.#evidence?.close()]);
  }
}

const NO_ACTS = { takeNews: () => ({ acts: [], dropped: 0 }), heard: () => {} };
