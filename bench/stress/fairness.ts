import { FalseHits, type Rate } from '../../src/main/cache/false-hits.ts';
import type { Errand } from '../../src/main/plans/lessons.ts';
import { forkRandom, type Random } from '../../src/shared/random.ts';
import { flush } from '../../test/support/drive.ts';
import { errand, LaneUnderTest } from '../../test/support/make-lane.ts';

/** What the cache says of itself after a session, and what was true. */
export interface FairnessFigures extends Pick<Rate, 'due' | 'checked' | 'lost'> {
  readonly truth: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/** The scene in which every hit is wrong, and in which plans wait for the only slot all the time. */
const BUSY = { scene: 'combat', states: 40, secondsMean: 20 };
/** The scene in which every hit is right, and the server idle. */
const QUIET = { scene: 'town', states: 200, secondsMean: 40 };
const CHECK_SHARE = 0.02;
const HITS_PER_SECOND = 20;
const STEP_MS = 250;
const CHECK_MS = 200;
const NEVER = new AbortController().signal;

/** A session of hits, whose checks are made by the real background lane at a server that is busy exactly where hits are wrong. */
export async function runFairness(seed: number, seconds = 1_500): Promise<FairnessFigures> {
  const random = forkRandom(seed, 'fairness');
  const under = new LaneUnderTest(() => ({ kind: 'answers', action: 'attack', afterMs: CHECK_MS }));
  const hits = new FalseHits();
  under.onDecided = ({ hit }, _made, others) => {
    hits.answered([{ hit, count: 1 }, ...others], hit.scene === BUSY.scene ? 'flee' : 'attack');
  };
  under.onLost = (lost) => hits.lost(lost);
  const plans = new WaitingPlans(under);
  let place = QUIET;
  let leftMs = 0;
  let wrong = 0;
  const count = seconds * HITS_PER_SECOND;
  const hitsPerStep = (HITS_PER_SECOND * STEP_MS) / 1_000;
  for (let nth = 0; nth < count; nth++) {
    if (nth % hitsPerStep === 0) {
      leftMs -= STEP_MS;
      if (leftMs < 0) {
        place = place === BUSY ? QUIET : BUSY;
        leftMs = -Math.log(1 - random.next()) * place.secondsMean * 1_000;
      }
      plans.keep(place === BUSY);
      under.clock.advance(STEP_MS);
      await flush();
    }
    const isDue = random.next() < CHECK_SHARE;
    hits.served('exact', place.scene, isDue);
    if (place === BUSY) wrong++;
    if (isDue) under.lane.add(errandIn(place, random));
  }
  const { rate, low, high, due, checked, lost } = hits.stats().all;
  plans.keep(false);
  await under.lane.close();
  return { truth: wrong / count, rate: rate ?? 0, low: low ?? 0, high: high ?? 1, due, checked, lost };
}

/** A hit in one of the states of a scene, the state of rank r 1/r times as often as the first. */
function errandIn({ scene, states }: typeof BUSY, random: Random): Errand {
  const rank = Math.floor(states ** random.next()) - 1;
  const made = errand(rank + (scene === BUSY.scene ? 0 : 1_000));
  return { ...made, hit: { ...made.hit, scene } };
}

/** Plans that always wait for the only slot, and so take it from everything that gives way. */
class WaitingPlans {
  readonly #under: LaneUnderTest;
  #isBusy = false;
  #release: () => void = () => {};

  constructor(under: LaneUnderTest) {
    this.#under = under;
  }

  /** Call in each step. The plan at work ends, and another one takes its place. */
  keep(isBusy: boolean): void {
    const isNew = isBusy && !this.#isBusy;
    this.#isBusy = isBusy;
    const release = this.#release;
    if (isNew) this.#wait();
    else release();
  }

  #wait(): void {
    void Promise.resolve(this.#under.gate().acquire(NEVER, { rankMs: this.#under.clock.now() })).then((slot) => {
      this.#release = () => {
        this.#release = () => {};
        if (this.#isBusy) this.#wait();
        slot?.release();
        this.#under.lane.wake();
      };
      if (!this.#isBusy) this.#release();
    });
  }
}
