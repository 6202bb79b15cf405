import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { ChatPlace } from './chat-route.ts';

/**
 * The places that can answer: a request with a picture does not go where the server has reported that the model takes none. Throws
 * ERR_MODEL_REJECTED where no place is left.
 */
export function seeingPlaces(
  groups: readonly (readonly ChatPlace[])[],
  { hasPictures, model }: { readonly hasPictures: boolean; readonly model: string },
): readonly (readonly ChatPlace[])[] {
  if (!hasPictures) return groups;
  const left = groups.map((group) => group.filter((place) => !place.at.isBlind(place.model)));
  if (left.some((group) => group.length > 0)) return left;
  throw new PlannerError(
    'ERR_MODEL_REJECTED',
    `the model ${describeValue(model)} takes no pictures: its server says so`,
  );
}
