import { type ClusterNames, clusterNames } from '../../../src/main/cluster/engine/engine.ts';
import { DecisionLog } from '../../../src/main/cluster/log/decision-log.ts';
import { type Clock, stampNow } from '../../../src/shared/clock.ts';
import type { Decision } from '../../../src/shared/decision.ts';
import { type Random, seededRandom } from '../../../src/shared/random.ts';
import { passVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { EngineModel } from './engine-model.ts';
import { modelSharedDomain } from './shared-domain-model.ts';

export interface HeldDecision {
  readonly decision: Decision;
  /** In the time of the node's clock. */
  readonly expiresAtMs: number;
  readonly isAmended: boolean;
}

/** A node with a log and a plain memory. Its clock has an origin of its own. */
export class LogNode {
  readonly id: string;
  readonly clock: Clock;
  readonly log: DecisionLog;
  readonly held = new Map<number, HeldDecision>();
  cleared = 0;

  constructor(model: EngineModel, id: string, originMs: number, random: Random, fingerprint = 'f') {
    this.id = id;
    this.clock = model.clockOf(id, originMs);
    this.log = new DecisionLog({
      engine: model.node(id),
      names: model.names,
      fingerprint,
      clock: this.clock,
      random,
      memory: {
        adopt: ({ signature, decision, expiresAtMs }, isAmended) =>
          void this.held.set(signature[0] as number, { decision, expiresAtMs, isAmended }),
        hasNewer: () => false,
        fits: () => true,
      },
      ttlMaxMs: 60_000,
      onCleared: () => {
        this.cleared++;
        this.held.clear();
        this.log.cleared();
      },
    });
    this.log.start();
  }

  /** Decides here, for a state that is a number. */
  decide(state: number, action: string, ttlMs = 30_000, isAmended = false): void {
    const decision: Decision = {
      action,
      reason: '',
      source: 'quorum',
      model: 'm',
      decidedAtMs: stampNow(this.clock),
      latencyMs: 5,
      tally: [{ action, count: 2, weight: 1 }],
    };
    const expiresAtMs = this.clock.now() + ttlMs;
    this.held.set(state, { decision, expiresAtMs, isAmended });
    this.log.decided(Int32Array.of(state, 0, 0, 0), undefined, decision, expiresAtMs, isAmended);
  }

  clear(): void {
    this.held.clear();
    this.log.cleared();
  }

  /** What is fresh here: actions by state. */
  get fresh(): Readonly<Record<number, string>> {
    const live = [...this.held].filter(([, { expiresAtMs }]) => expiresAtMs > this.clock.now());
    return Object.fromEntries(live.map(([state, { decision }]) => [state, decision.action]));
  }
}

/** Some nodes at a modelled engine, in virtual time. */
export class LogNodes {
  readonly clock = new VirtualClock(5_000);
  readonly model: EngineModel;
  readonly nodes: LogNode[];
  readonly random: Random;

  constructor(count: number, seed = 1, names: ClusterNames = clusterNames('sim')) {
    this.random = seededRandom(seed);
    this.model = new EngineModel({ clock: this.clock, random: this.random, names });
    this.model.skewMs = 1e12 * this.random.next();
    modelSharedDomain(this.model);
    this.nodes = Array.from({ length: count }, (_, i) => this.join(`n${i}`));
  }

  join(id: string, fingerprint?: string): LogNode {
    return new LogNode(
      this.model,
      id,
      1e6 * this.random.next(),
      seededRandom(this.random.next() * 2 ** 32),
      fingerprint,
    );
  }

  pass(ms: number): Promise<void> {
    return passVirtual(this.clock, ms);
  }
}
