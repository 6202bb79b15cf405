import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { ChatSeat } from './chat-route.ts';

/**
 * The seats that can answer: a request with an image skips models whose server has reported that they take none. Throws ERR_MODEL_REJECTED if no seat
 * is left.
 */
export function seeingSeats(
  groups: readonly (readonly ChatSeat[])[],
  { hasPictures, model }: { readonly hasPictures: boolean; readonly model: string },
): readonly (readonly ChatSeat[])[] {
  if (!hasPictures) return groups;
  const left = groups.map((group) => group.filter((seat) => !seat.at.isBlind(seat.model)));
  if (left.some((group) => group.length > 0)) return left;
  throw new PlannerError(
    'ERR_MODEL_REJECTED',
    `the model ${describeValue(model)} takes no pictures: its server says so`,
  );
}
