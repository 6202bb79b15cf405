import { READ_ACTIONS_MAX } from '../../../shared/reads/labels.ts';
import { indexOfBest } from '../../../shared/reads/reading.ts';
import type { Option } from './questionnaire.ts';

/**
 * The probabilities of all options, asked in one chat if there are enough labels. More options are asked in groups, then the best of each group
 * against each other: an option's probability is that of its group's best, times its own within the group.
 */
export async function readOptions(
  options: readonly Option[],
  ask: (options: readonly Option[]) => Promise<readonly number[]>,
): Promise<readonly number[]> {
  if (options.length <= READ_ACTIONS_MAX) return ask(options);
  const groups = groupsOf(options);
  const readings: (readonly number[])[] = [];
  for (const group of groups) readings.push(await ask(group));
  const bests = groups.map((group, index) => group[indexOfBest(readings[index] as readonly number[])] as Option);
  const between = await ask(bests);
  return readings.flatMap((reading, index) => reading.map((each) => each * (between[index] as number)));
}

/** Groups of nearly the same size, in order. */
function groupsOf(options: readonly Option[]): (readonly Option[])[] {
  const count = Math.ceil(options.length / READ_ACTIONS_MAX);
  const at = (nth: number): number => Math.round((nth * options.length) / count);
  return Array.from({ length: count }, (_, nth) => options.slice(at(nth), at(nth + 1)));
}
