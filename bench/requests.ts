import { SKYRIM_SCENES } from '../src/shared/domains/skyrim.ts';
import type { PlanRequest } from '../src/shared/plan-request.ts';

/** What every contestant is asked, and of which model. */
export const MODEL = 'bench-model';
/** The planner's defaults, for those who make the calls by hand. */
export const MAX_TOKENS = 512;
export const TEMPERATURE = 0.2;
export const PROMPT_ACTIONS_MAX = 64;

const ACTIONS = [
  'attack the nearest enemy',
  'move to the door ahead',
  'drink a healing potion',
  'raise the shield',
  'retreat to the stairs',
  'talk to the guard',
  'search the chest',
  'sneak past the camp',
  'cast a fire spell',
  'open the map',
  'follow the road north',
  'wait and watch',
];

/** The request of number `index`: each is in a state of its own, so that none is answered from memory. */
export function requestOf(index: number): PlanRequest {
  const health = (index * 37) % 101;
  return {
    agent: `agent-${index % 16}`,
    observation: {
      scene: SKYRIM_SCENES[index % SKYRIM_SCENES.length] as string,
      health,
      inCombat: index % 3 === 0,
      enemiesNearby: index % 6,
      location: `cell ${index}`,
      motivation: 'reach the old fort before night and stay alive',
      visual: `A torch lit hall with two pillars, a closed door to the north and a chest by the wall. Somebody moves behind the left pillar. The floor is wet. Marker ${index}.`,
    },
    actions: ACTIONS,
    qValues: Object.fromEntries(ACTIONS.slice(0, 8).map((action, i) => [action, ((index + i * 7) % 40) / 40])),
  };
}
