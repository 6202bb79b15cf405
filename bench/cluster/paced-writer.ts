import { randomBytes } from 'node:crypto';
import { encodeAct } from '../../src/main/cluster/agents/agent-acts.ts';
import { clusterNames } from '../../src/main/cluster/engine/engine.ts';
import { RedisEngine } from '../../src/main/cluster/engine/redis-engine.ts';
import { CLUSTER_LIBRARY } from '../../src/main/cluster/library.ts';
import { DecisionLog } from '../../src/main/cluster/log/decision-log.ts';
import { fingerprintOf } from '../../src/main/cluster/log/fingerprint.ts';
import { type PlannerOptions, skyrim } from '../../src/main/index.ts';
import { resolveOptions } from '../../src/main/options/resolve-options.ts';
import { stampNow, systemClock } from '../../src/shared/clock.ts';
import type { Decision } from '../../src/shared/decision.ts';
import { Placer } from '../../src/shared/place.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { randomIndex, systemRandom } from '../../src/shared/random.ts';
import { Signer, signatureText } from '../../src/shared/signature.ts';
import { renderSystem } from '../../src/shared/situation.ts';
import { requestOf } from '../requests.ts';

/** What a process of several writing nodes is told. `hits.ts` forks it. */
export type WriterCommand =
  | { readonly kind: 'open'; readonly options: Omit<PlannerOptions, 'domain'>; readonly nodes: number }
  /** Writes so many decisions a second from now on, all nodes together: to the cluster of `options`, or to another one. */
  | { readonly kind: 'write'; readonly perSecond: number; readonly toOthers: boolean }
  | { readonly kind: 'count' };

/** How many decisions and calls have been sent so far. */
export interface WriterCounts {
  readonly sent: number;
  readonly batches: number;
}

const TICK_MS = 2;
/** How long what was made is kept for flights that ask, in milliseconds: as a planner does. */
const MADE_MS = 2_000;

/**
 * Nodes without planners: each sends decisions at a stated pace as a node that decides them would, through the same code, with the
 * claim of the state that ends and the act of the agent. So a machine of two cores has room for the writes of many nodes.
 */
class WritingNode {
  readonly #engine: RedisEngine;
  /** Of the cluster that is measured, and of one that nobody else is in. */
  readonly #logs: readonly [DecisionLog, DecisionLog];
  readonly #placer: Placer;
  readonly #signer = new Signer(skyrim);
  #acts: Buffer[] = [];

  constructor(url: string, name: string, fingerprint: string) {
    const node = randomBytes(6).toString('hex');
    const shared = { node, library: CLUSTER_LIBRARY, clock: systemClock, random: systemRandom };
    this.#placer = new Placer(skyrim, this.#signer);
    this.#engine = new RedisEngine({ url, names: clusterNames(name), ...shared });
    const logOf = (cluster: string): DecisionLog =>
      new DecisionLog({
        engine: this.#engine,
        names: clusterNames(cluster),
        fingerprint,
        clock: systemClock,
        random: systemRandom,
        memory: undefined,
        ttlMaxMs: 3_600_000,
        onCleared: () => {},
      });
    this.#logs = [logOf(name), logOf(`${name} of others`)];
    for (const log of this.#logs) log.takeActs = () => this.#acts.splice(0);
  }

  async open(): Promise<void> {
    for (const log of this.#logs) log.start();
    await this.#engine.start(5_000);
  }

  write(index: number, toOthers: boolean): void {
    const log = this.#logs[toOthers ? 1 : 0];
    const { observation, actions, agent } = requestOf(index) as PlanRequest;
    const signature = this.#signer.sign(observation, actions, new Int32Array(4));
    const decision = decisionOf(actions[index % actions.length] as string);
    log.decided(signature, this.#placer.place(observation, actions), decision, systemClock.now() + 600_000, false);
    const state = signatureText(signature);
    const key = clusterNames('unused').key('state', state);
    log.endClaim({ key: key.replace('unused', 'default'), token: 'w:1', made: undefined, keptMs: MADE_MS }, state);
    const act = {
      agent: `${agent} ${index % 64}`,
      signature,
      scene: String(observation.scene),
      action: decision.action,
    };
    this.#acts.push(encodeAct({ ...act, repeats: 1, streak: 1, isFromMemory: false }) as Buffer);
    log.noteActs();
  }

  get counts(): WriterCounts {
    const [sent, batches] = (['sent', 'batches'] as const).map((of) =>
      this.#logs.reduce((sum, log) => sum + log.stats()[of], 0),
    ) as [number, number];
    return { sent, batches };
  }
}

function decisionOf(action: string): Decision {
  return {
    action,
    reason: 'The hall is lit and somebody moves behind the pillar, so this is the safest way to the door.',
    source: 'vote',
    model: '',
    decidedAtMs: stampNow(systemClock),
    latencyMs: 240,
    tally: [
      { action, count: 3, weight: 2.4 },
      { action: 'wait and watch', count: 1, weight: 0.5 },
    ],
  };
}

let nodes: WritingNode[] = [];
let pace = { perSecond: 0, toOthers: true };
let sinceMs = 0;
let written = 0;
let next = 10_000_000;

function tick(): void {
  const due = ((performance.now() - sinceMs) / 1_000) * pace.perSecond;
  for (; written < due; written++) nodes[randomIndex(systemRandom, nodes.length)]?.write(next++, pace.toOthers);
}

async function obey(command: WriterCommand): Promise<unknown> {
  switch (command.kind) {
    case 'open': {
      const { experts, synthesis, cluster } = resolveOptions({ ...command.options, domain: skyrim } as PlannerOptions);
      const seats = [...experts, ...synthesis.models.map(({ model }) => ({ role: 'synthesis', model }))];
      const fingerprint = fingerprintOf({ domain: skyrim, seats, prompt: renderSystem(skyrim) });
      const { url, name } = cluster as { url: string; name: string };
      nodes = Array.from({ length: command.nodes }, () => new WritingNode(url, name, fingerprint));
      await Promise.all(nodes.map((node) => node.open()));
      setInterval(tick, TICK_MS);
      return true;
    }
    case 'write':
      pace = command;
      sinceMs = performance.now();
      written = 0;
      return true;
    case 'count':
      return nodes
        .map(({ counts }) => counts)
        .reduce((a, b) => ({ sent: a.sent + b.sent, batches: a.batches + b.batches }), { sent: 0, batches: 0 });
    default:
      return command satisfies never;
  }
}

process.on('message', (command: WriterCommand) => {
  obey(command).then(
    (value) => process.send?.(value),
    (error: Error) => {
      console.error(`cluster: the writers: ${error.message}`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
