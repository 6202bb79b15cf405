import { FIGURES } from '../../../chat/chat-figures.ts';
import type { Figure } from '../../../plans/figures/figure.ts';
import type { JsonSchema } from './json-schema.ts';

/** Parts of `planner.stats()` that are false if switched off. */
const MAY_BE_OFF: ReadonlySet<string> = new Set([
  'reads',
  'cache',
  'cache.standing',
  'cache.budget',
  'cache.disk',
  'chats.cache',
  'foresight.domain',
]);

/** Absent if the planner works alone. */
const CLUSTER = 'cluster';
/** Of what the domains of a planner share; each of them has the others. */
const SHARED: ReadonlySet<string> = new Set(['turns', 'workers', 'chats', 'endpoints', CLUSTER]);

/** Schema of `planner.stats()`, from the table of figures. Names and states are not figures, and not included. */
export const statsSchema: JsonSchema = {
  type: 'object',
  properties: {
    ...membersOf(FIGURES, ''),
    domains: {
      type: 'object',
      description: 'The figures by domain, if there are several.',
      additionalProperties: partSchema(
        FIGURES.filter((figure) => !SHARED.has(partOf(figure))),
        '',
      ),
    },
  },
  required: [...new Set(FIGURES.map(partOf))].filter((part) => part !== CLUSTER),
};

function partOf({ path }: Figure): string {
  return path.split('.', 1)[0] as string;
}

function partSchema(figures: readonly Figure[], prefix: string): JsonSchema {
  const items = partsOf(figures, prefix).get('*');
  if (items !== undefined) return { type: 'array', items: partSchema(items, `${prefix}*.`) };
  return { type: 'object', properties: membersOf(figures, prefix) };
}

function membersOf(figures: readonly Figure[], prefix: string): Readonly<Record<string, JsonSchema>> {
  const members = [...partsOf(figures, prefix)].map(([name, each]) => [name, memberSchema(each, `${prefix}${name}`)]);
  return Object.fromEntries(members);
}

function partsOf(figures: readonly Figure[], prefix: string): Map<string, Figure[]> {
  return Map.groupBy(figures, ({ path }) => path.slice(prefix.length).split('.', 1)[0] as string);
}

function memberSchema(figures: readonly Figure[], path: string): JsonSchema {
  const [first] = figures as readonly [Figure];
  if (first.path === path) return figureSchema(first);
  const { help: description } = first;
  if (first.path === `${path}.*`) return { type: 'object', description, additionalProperties: valueSchema(first) };
  const part = partSchema(figures, `${path}.`);
  return MAY_BE_OFF.has(path) ? { anyOf: [{ const: false }, part] } : part;
}

function figureSchema(figure: Figure): JsonSchema {
  return { ...valueSchema(figure), description: figure.help };
}

/** Counts are always present; derived values may be unknown. */
function valueSchema({ unit }: Figure): JsonSchema {
  if (unit === 'flag') return { type: 'boolean' };
  if (unit === 'times') return { type: 'object', additionalProperties: { type: 'number' } };
  return { type: unit === 'count' || unit === 'bytes' || unit === 'tokens' ? 'number' : ['number', 'null'] };
}
