/** Injected chance. `seededRandom` replays exactly; `systemRandom` is for jitter outside of tests and simulations. */
export interface Random {
  /** Returns a float in [0, 1). */
  next(): number;
}

export const systemRandom: Random = { next: () => Math.random() };

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, period 2^32, enough for simulations and jitter. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** Returns a separate generator for a named part, so that draws of one part do not shift the others. */
export function forkRandom(seed: number, name: string): Random {
  return seededRandom(hashOf(name, seed));
}

/** Hashes the UTF-16 units of a text to 32 bits, as FNV-1a does bytes (Fowler, Noll, Vo). Not for keys that an attacker may choose. */
export function hashOf(text: string, seed = 0): number {
  let hash = seed >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** Returns a whole number in [0, bound). */
export function randomIndex(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[randomIndex(random, items.length)];
  if (item === undefined) throw new RangeError('pick needs a list that is not empty');
  return item;
}

/** Returns a standard normal deviate (Box and Muller, 1958). */
export function randomNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}
