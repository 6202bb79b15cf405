import type { SharedHits } from '../../src/main/cache/false-hits.ts';
import type { Hit } from '../../src/main/cache/look.ts';
import type { ModelEndpoint } from '../../src/main/models/model-endpoint.ts';
import type { Slot } from '../../src/main/models/slots/ask.ts';
import type { EndpointGate } from '../../src/main/models/slots/endpoint-gate.ts';
import { allFeatures } from '../../src/main/options/features.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../src/main/options/resolve-options.ts';
import { BackgroundLane, sharedLanes } from '../../src/main/plans/background/background-lane.ts';
import { type BookedState, StateBook } from '../../src/main/plans/background/state-book.ts';
import type { Errand, Lessons } from '../../src/main/plans/lessons.ts';
import { makeParts } from '../../src/main/service/create-planner.ts';
import type { Decision } from '../../src/shared/decision.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { decision, signatureOf } from './decisions.ts';
import { FakeClock } from './fake-clock.ts';
import { type Behaviour, FakeModels } from './fake-models.ts';
import { request, testDomain } from './make-planner.ts';

/** An errand about the state `id`. */
export function errand(id: number, again: Hit['again'] = 'check'): Errand {
  const asked = request({ observation: { place: `place ${id}`, health: 50 } });
  const hit: Hit = {
    kind: 'hit',
    tier: 'exact',
    action: 'attack',
    reason: '',
    decision: decision(),
    expiresAtMs: Number.POSITIVE_INFINITY,
    scene: `place ${id}`,
    near: undefined,
    again,
    judgement: undefined,
  };
  return { request: asked, signature: signatureOf(id), hit };
}

const NEVER = new AbortController().signal;

/** A background lane over real gates and scripted models, without a planner. Experts are asked at `fake`. */
export class LaneUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly models: FakeModels;
  readonly gates: Map<string, EndpointGate>;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly lane: BackgroundLane;
  /** Makes the lane of another domain of the same planner. */
  readonly another: () => BackgroundLane;
  /** What the lane brought home, by the place that was asked about. */
  readonly decided: [place: unknown, action: string][] = [];
  readonly warnings: string[] = [];
  /** Hits that will not be checked, by their scene, and how many shared one answer. */
  readonly lost: [scene: string, count: number][] = [];
  /** Places whose entries are no longer remembered. */
  readonly gone = new Set<unknown>();
  /** Votes for states that were asked about later, by the place. */
  readonly voted: [place: unknown, action: string][] = [];
  /** States that models are asked about for somebody now, by their keys. */
  readonly askedAbout = new Set<string>();
  /** What is remembered of a state after a vote: as a rule the vote. */
  onVoted: (state: BookedState, made: Decision) => Decision = (_state, made) => made;
  onDecided: (errand: Errand, decision: Decision, others: readonly SharedHits[]) => void = () => {};

  onLost: (hits: readonly SharedHits[]) => void = () => {};

  constructor(
    script: (call: { role: string | undefined; model: string; nth: number }) => Behaviour,
    more: Partial<PlannerOptions> = {},
  ) {
    this.models = new FakeModels(this.clock, script);
    const options = resolveOptions({
      domain: testDomain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 1 } },
      experts: [{ role: 'one', model: 'e', endpoint: 'fake' }],
      synthesis: { models: [] },
      quorum: 'all',
      features: allFeatures(false),
      timeoutMs: 1_000,
      ...more,
    });
    const parts = makeParts(options, {
      clock: this.clock,
      random: seededRandom(1),
      pool: this.models,
      callers: new Map(options.endpoints.map((at) => [at.name, this.models])),
    });
    this.gates = new Map([...parts.endpoints].map(([name, at]) => [name, at.gate]));
    this.endpoints = parts.endpoints;
    const lessons: Pick<Lessons, 'checked' | 'voted' | 'holds' | 'lost'> = {
      holds: ({ request: { observation } }) => !this.gone.has(observation.place),
      lost: (hits) => {
        for (const { hit, count } of hits) this.lost.push([hit.scene, count]);
        this.onLost(hits);
      },
      checked: (done, made, others) => {
        this.decided.push([done.request.observation.place, made.action]);
        this.onDecided(done, made, others);
      },
      voted: (state, made) => {
        this.voted.push([state.request.observation.place, made.action]);
        // Tests that look at the votes of a state ask about states of the book.
        return this.onVoted(state as BookedState, made);
      },
    };
    const announcements = { warn: (message: string) => void this.warnings.push(message) };
    const shared = sharedLanes(parts);
    this.another = () =>
      new BackgroundLane(parts, new StateBook(seededRandom(1)), lessons, this.askedAbout, announcements, shared);
    this.lane = this.another();
  }

  gate(name = 'fake'): EndpointGate {
    return this.gates.get(name) as EndpointGate;
  }

  /** A slot in the foreground, at once or never. */
  takeSlot(name = 'fake'): Slot {
    const slot = this.gate(name).acquire(NEVER);
    if (slot === undefined || slot instanceof Promise) throw new Error(`no slot of ${name} is free`);
    return slot;
  }
}
