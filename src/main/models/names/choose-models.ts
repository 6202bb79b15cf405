import type { ExpertRole } from '../../../shared/domain.ts';
import type { ExpertOptions, SynthesisOptions } from '../../options/planner-options.ts';
import type { Seat } from '../seat.ts';

export interface ListedEndpoint {
  readonly name: string;
  readonly models: readonly string[];
}

/** Matches ids of models that do not chat. */
const NO_CHAT = /embed|rerank|whisper|(?:^|[/_-])(?:bge|e5|gte|tts|clip|colbert|minilm)(?:[/_.-]|$)/i;
/** More models than this overload the memory of a local machine. */
const MODELS_MAX = 2;
const SYNTHESIS_MODELS_MAX = 8;

export function isChatModel(id: string): boolean {
  return !NO_CHAT.test(id);
}

/** Models for a user who names none: the first that chat, in the order in which the endpoints list them, one endpoint after the other. */
export function chooseSeats(endpoints: readonly ListedEndpoint[], seatsMax: number = MODELS_MAX): Seat[] {
  const chatting = endpoints.map(({ name, models }) =>
    models.filter(isChatModel).map((model): Seat => ({ model, endpoint: name })),
  );
  const longest = Math.max(0, ...chatting.map((seats) => seats.length));
  const seats = Array.from({ length: longest }, (_, place) => chatting.flatMap((of) => of[place] ?? []));
  return seats.flat().slice(0, Math.max(seatsMax, endpoints.length));
}

/** Each model at every endpoint that lists it; at the first endpoint if none does, so that the check can suggest the nearest. */
export function seatsOf(models: readonly string[], endpoints: readonly ListedEndpoint[]): Seat[] {
  return models.flatMap((model) => {
    const serving = endpoints.filter((endpoint) => endpoint.models.includes(model));
    return (serving.length > 0 ? serving : endpoints.slice(0, 1)).map(({ name }) => ({ model, endpoint: name }));
  });
}

/** Matches names of models that accept pictures. */
const SEES = /(?:^|[/_.-])(?:vl|vision|llava|gemma-?3|pixtral|minicpm-v|moondream|internvl)(?:[/_.:@-]|\d|$)/i;

export interface PanelOptions {
  readonly experts: ExpertOptions[];
  readonly synthesis: SynthesisOptions;
}

/** Spreads the seats over the expert roles, in order; all seats, in order, form the synthesis ladder. */
export function panelOf(roles: readonly ExpertRole[], seats: readonly Seat[]): PanelOptions {
  const experts = seats.length === 0 ? [] : roles.map((role, index) => ({ role: role.name, ...seatAt(seats, index) }));
  return { experts, synthesis: { models: seats.slice(0, SYNTHESIS_MODELS_MAX) } };
}

/** As `panelOf`, for seats that the user did not order: a role that is shown pictures gets a model with vision, if there is one. */
export function chosenPanel(roles: readonly ExpertRole[], seats: readonly Seat[]): PanelOptions {
  const seeing = seats.find((seat) => SEES.test(seat.model));
  if (seeing === undefined || !roles.some((role) => role.vision)) return panelOf(roles, seats);
  const others = seats.length > 1 ? seats.filter((seat) => seat !== seeing) : seats;
  let place = 0;
  const experts = roles.map((role) => ({ role: role.name, ...(role.vision ? seeing : seatAt(others, place++)) }));
  return { experts, synthesis: panelOf(roles, [...others, seeing]).synthesis };
}

function seatAt(seats: readonly Seat[], index: number): Seat {
  return seats[index % seats.length] as Seat;
}
