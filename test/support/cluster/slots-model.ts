import { LEASE } from '../../../src/main/cluster/leases/lease-terms.ts';
import type { ModelContext, ModelFunction } from './engine-model.ts';

interface Held {
  lease: number;
  usable: number;
  want: number;
  later: number;
  busy: number;
  limit: number;
  learned: number;
  seq: number;
  used: number;
  heardMs: number;
  untilMs: number;
  endsMs: number;
  restMs: number;
  told: number;
}

interface State {
  frozen: number;
  heard: number;
  nodes: Record<string, Held>;
  learned?: number;
}

interface Entry {
  readonly id: string;
  readonly held: Held;
  readonly isFresh: boolean;
  want: number;
  later: number;
  readonly all: number;
  share: number;
}

const { lifeMs, turnMs, keptMs, quietMs, gapMs, returnMs, goneMs } = LEASE;
const NEW: Held = {
  ...{ lease: 0, usable: 0, want: 0, later: 0, busy: 0, limit: 0, learned: 0, seq: 0, used: 0 },
  ...{ heardMs: 0, untilMs: 0, endsMs: 0, restMs: 0, told: 0 },
};

/** The engine's function of leases as it is meant; the conformance test holds it against the Lua text. */
export const syncSlots: ModelFunction = ([key = ''], args, context) => {
  const { nowMs } = context;
  const [node, prefix, channel, ...figures] = args.map(String) as [string, string, string, ...string[]];
  const [seq, keep, busy, want, later, own, learned, ends, rest, away, moved, last] = figures.map(Number) as Figures;
  const state: State = structuredClone(context.get<State>(key)) ?? { frozen: nowMs + lifeMs, heard: nowMs, nodes: {} };
  const { nodes } = state;
  const me = nodes[node] ?? { ...NEW };
  if (seq <= me.seq) return [];
  noticeSilence(state, node, away === 1, nowMs);
  const frozenMs = Math.max(0, state.frozen - nowMs);
  const uncovered = Math.max(0, keep - (nowMs < me.untilMs ? me.usable : 0));
  const wasIdle = me.lease + me.want + me.later === 0;
  Object.assign(me, { lease: keep, want, later, busy, limit: own, learned, seq });
  if (learned > 0 && (moved === 1 || state.learned === undefined)) state.learned = learned;
  Object.assign(me, { heardMs: nowMs, untilMs: nowMs + lifeMs, restMs: nowMs + rest });
  me.endsMs = nowMs + Math.max(lifeMs, Math.min(ends, keptMs));
  nodes[node] = me;
  freeLapsed(nodes, prefix, context);
  const others = Object.keys(nodes).filter((id) => id !== node);
  const entries = Object.entries(nodes).map(([id, held]) => entryOf(id, held, nowMs));
  const othersOf = entries.filter(({ id }) => id !== node);
  const active = othersOf.filter((entry) => entry.all + entry.later > 0);
  if (wasIdle && active.length > 0) me.used = Math.max(me.used, Math.min(...active.map(({ held }) => held.used)));
  const limit = limitOf(state, nowMs);
  const left = shareOut(entries, limit, 'all');
  if (left > 0) shareOut(entries, left, 'later');
  const mine = entries.find(({ id }) => id === node) as Entry;
  const taken = sum(othersOf, ({ held }) => held.lease);
  const more = frozenMs > 0 ? 0 : Math.max(0, Math.min(want + later, mine.share - keep, limit - taken - keep));
  Object.assign(me, { lease: keep + more, told: mine.share });
  me.usable = me.lease - Math.min(uncovered, Math.max(0, taken + keep - limit));
  me.want = Math.max(0, want - more);
  me.later = later - Math.max(0, more - want);
  mine.want = me.want;
  mine.later = me.later;
  const free = limit - taken - keep - more;
  const told = whomToTell(entries, node, free, frozenMs > 0);
  if (last === 1) delete nodes[node];
  context.set(key, state, 600_000);
  if (Object.keys(told).length > 0) context.publish(channel, Buffer.from(JSON.stringify(told)));
  const othersWant = sum(othersOf, (entry) => entry.want);
  const othersBusy = sum(othersOf, ({ held }) => Math.min(held.busy, held.lease));
  const restMs = Math.max(0, ...others.map((id) => (nodes[id] as Held).restMs - nowMs));
  const count = others.length + 1;
  return [
    me.usable,
    mine.share,
    free,
    othersWant,
    count,
    limit,
    othersBusy,
    active.length + 1,
    restMs,
    frozenMs,
    state.learned ?? 0,
  ];
};

type Figures = [number, number, number, number, number, number, number, number, number, number, number, number];

function noticeSilence(state: State, node: string, wasAway: boolean, nowMs: number): void {
  const all = Object.entries(state.nodes);
  for (const [, held] of all) held.used += held.lease * Math.max(0, nowMs - state.heard);
  const isHeld = all.some(([, { lease }]) => lease > 0);
  const isKnown = all.some(([id]) => id !== node);
  const silenceMs = wasAway ? gapMs : isHeld ? lifeMs : quietMs;
  if (isKnown && nowMs - state.heard > silenceMs) state.frozen = Math.max(state.frozen, nowMs + returnMs);
  state.heard = nowMs;
}

function limitOf({ nodes, learned = 0 }: State, nowMs: number): number {
  const all = Object.values(nodes);
  const known = all.filter((held) => held.learned === 0);
  if (known.length > 0) return Math.min(...known.map(({ limit }) => limit));
  const probing = all.filter((held) => held.limit < held.learned && nowMs < held.heardMs + lifeMs);
  return Math.min(learned, ...probing.map(({ limit }) => limit));
}

function freeLapsed(nodes: Record<string, Held>, prefix: string, { nowMs, isPresent }: ModelContext): void {
  for (const [id, held] of Object.entries(nodes)) {
    if (nowMs < held.untilMs) continue;
    if (nowMs >= held.endsMs) held.lease = 0;
    const isDoubtful = held.lease > 0 || nowMs - held.heardMs > goneMs;
    if (isDoubtful && !isPresent(prefix + id)) delete nodes[id];
  }
}

function entryOf(id: string, held: Held, nowMs: number): Entry {
  const isFresh = nowMs < held.heardMs + lifeMs;
  const want = isFresh ? held.want : 0;
  return { id, held, isFresh, want, later: isFresh ? held.later : 0, all: held.lease + want, share: 0 };
}

/** Gives one slot after the other to the node that has fewest of those who want more; among equals, that had least lately. */
function shareOut(entries: readonly Entry[], slots: number, wish: 'all' | 'later'): number {
  const given = new Map(entries.map((entry) => [entry, 0]));
  const givenTo = (entry: Entry): number => given.get(entry) as number;
  let left = slots;
  // In whole rounds while there is one for each that wants it; then the last few by turns.
  for (;;) {
    const wanting = entries.filter((entry) => givenTo(entry) < entry[wish]);
    if (wanting.length === 0 || left === 0) break;
    const isWhole = left >= wanting.length;
    const rank = (entry: Entry): number => {
      const holds = entry.held.lease >= entry.share + givenTo(entry) + 1;
      return entry.held.used - (holds ? turnMs : 0);
    };
    const ranked = wanting.map((entry) => ({ entry, rank: rank(entry) }));
    ranked.sort((a, b) => a.rank - b.rank || (a.entry.id < b.entry.id ? -1 : 1));
    for (const { entry } of isWhole ? ranked : ranked.slice(0, left)) {
      given.set(entry, givenTo(entry) + 1);
      left--;
    }
    if (!isWhole) break;
  }
  for (const entry of entries) entry.share += givenTo(entry);
  return left;
}

function whomToTell(entries: readonly Entry[], node: string, slots: number, isFrozen: boolean): Record<string, number> {
  const told: Record<string, number> = {};
  const isUnmet = slots < 0 || entries.some(({ want, held, share }) => want > 0 && held.lease < share);
  let free = Math.max(0, slots);
  const inTurn = entries.toSorted((a, b) => a.held.used - b.held.used || (a.id < b.id ? -1 : 1));
  for (const { id, held, isFresh, want, later, share } of inTurn) {
    if (id === node || !isFresh) continue;
    const gain = Math.min(share - held.lease, free);
    if (want + later > 0 && gain > 0 && !isFrozen) {
      free -= gain;
      told[id] = share;
    } else if (held.lease > share && isUnmet && held.told !== share) {
      held.told = share;
      told[id] = share;
    }
  }
  return told;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
