import type { Style } from './streams.ts';

/** Some states are clear, some are not: how often another choice is made, by the state's luck. */
const mixed = (luck: number): number => (luck < 0.4 ? 0.01 : luck < 0.6 ? 0.06 : luck < 0.8 ? 0.2 : 0.6);
const sharp = (luck: number): number => (luck < 0.8 ? 0.01 : 0.3);
const spread = (luck: number): number => 0.8 * luck ** 2;
const even = (noise: number) => () => noise;

/** Agents that are stuck for a while: they do the same again `times` times, more or less. */
const stuckFor = (times: number, sure: number) => (done: number) => (done < times ? sure : 0.15);

/** The policy of a share of the states changes at each of these points. */
const changed =
  (share: number, points: readonly number[]) =>
  (progress: number, luck: number): readonly (readonly [number, number])[] => [
    [1, luck < share ? points.filter((point) => point <= progress).length : 0],
  ];

export const STYLES: Readonly<Record<string, Style>> = {
  sharp: { requests: 6_000, noise: sharp },
  mixed: { requests: 8_000, noise: mixed },
  spread: { requests: 10_000, noise: spread },
  fine: { requests: 8_000, noise: sharp, fine: true, jitter: 30 },
  'loops, right': { requests: 6_000, noise: mixed, stay: 0.7, again: () => 0.98 },
  'loops, three': { requests: 6_000, noise: mixed, stay: 0.7, again: stuckFor(3, 0.97) },
  'loops, unsure': { requests: 8_000, noise: sharp, stay: 0.6, again: (done) => Math.min(0.9, 0.3 + 0.15 * done) },
  'loops, long': { requests: 8_000, agents: 2, noise: spread, stay: 0.9, again: stuckFor(12, 0.97) },
  rounds: { requests: 6_000, noise: sharp, round: 0.95, stay: 0.1 },
  'new model': { requests: 6_000, noise: sharp, policies: changed(1, [0.5]) },
  'new model, in part': { requests: 8_000, noise: sharp, policies: changed(0.25, [0.5]) },
  'new models': { requests: 8_000, noise: sharp, policies: changed(0.5, [0.2, 0.4, 0.6, 0.8]) },
  'model worn out': {
    requests: 8_000,
    noise: (luck, _, progress) => Math.min(0.9, sharp(luck) + (progress > 0.5 ? 0.15 : 0)),
  },
  'new scene': { requests: 6_000, noise: sharp, scenesAt: (progress) => (progress < 0.5 ? [0, 1] : [2, 3]) },
  'new scene, harder': {
    requests: 6_000,
    scenesAt: (progress) => (progress < 0.5 ? [0, 1] : [0, 2]),
    noise: (luck, { scene }) => (scene < 2 ? 0.01 : 0.1 + 0.5 * luck),
  },
  'scenes in turn': { requests: 9_000, noise: mixed, scenesAt: (progress) => [Math.floor(progress * 9) % 4] },
  episodes: { requests: 6_000, noise: mixed, episode: 12, agents: 3 },
  'episodes, loops': { requests: 6_000, noise: sharp, episode: 20, agents: 2, stay: 0.6, again: stuckFor(4, 0.9) },
  populations: {
    requests: 8_000,
    noise: sharp,
    agents: 8,
    policies: (_, luck) =>
      luck < 0.5
        ? [[1, 0]]
        : [
            [0.7, 0],
            [0.3, 1],
          ],
  },
  'populations, moving': {
    requests: 8_000,
    noise: sharp,
    agents: 8,
    episode: 100,
    policies: (progress, luck) =>
      luck < 0.6
        ? [[1, 0]]
        : [
            [1 - progress, 0],
            [progress, 1],
          ],
  },
  'action sets': { requests: 10_000, noise: sharp, offered: 0.6, actions: 7 },
  'drifting numbers': { requests: 8_000, noise: sharp, fine: true, drift: 1.5, jitter: 3, agents: 2, places: 6 },
  'rare states': { requests: 8_000, noise: sharp, places: 400, zipf: 3 },
  'noise 4 %': { requests: 6_000, noise: even(0.05) },
  'noise 7 %': { requests: 8_000, noise: even(0.085) },
  noise: { requests: 4_000, noise: even(0.5) },
  short: { requests: 1_000, noise: sharp, places: 5 },
  crowd: { requests: 12_000, noise: spread, agents: 40, places: 30 },
};

/** Streams that nothing was tuned on. */
export const HELD_OUT: Readonly<Record<string, Style>> = {
  'held out: swarm': {
    requests: 7_000,
    noise: spread,
    agents: 16,
    scenes: 3,
    places: 20,
    stay: 0.5,
    again: stuckFor(2, 0.92),
  },
  'held out: two games': {
    requests: 7_000,
    noise: (luck, { scene }) => (scene === 0 ? 0.02 : 0.4 * luck),
    scenesAt: (progress) => (progress % 0.3 < 0.15 ? [0] : [1, 2]),
  },
  'held out: short lives': { requests: 5_000, noise: mixed, episode: 6, agents: 5, places: 30, zipf: 1.5 },
  'held out: new model twice': { requests: 9_000, noise: spread, policies: changed(0.4, [0.33, 0.66]), places: 8 },
  'held out: walk': { requests: 6_000, noise: sharp, fine: true, round: 0.8, jitter: 15, agents: 1, stay: 0.4 },
  'held out: menus': { requests: 6_000, noise: (luck) => 0.15 * luck, offered: 0.85, actions: 4, places: 6 },
};
