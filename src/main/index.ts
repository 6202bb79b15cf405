export type { Decision, PlanSource, TallyEntry } from '../shared/decision.ts';
export type {
  CategoryFeature,
  Domain,
  DomainDefinition,
  ExpertRole,
  Feature,
  FeatureMap,
  FlagFeature,
  ImageFeature,
  ImageValue,
  NumberFeature,
  Observation,
  SetFeature,
  TextFeature,
} from '../shared/domain.ts';
export { defineDomain } from '../shared/domain.ts';
export { skyrim } from '../shared/domains/skyrim.ts';
export type { ErrorCode } from '../shared/errors.ts';
export { ERROR_CODES, PlannerError } from '../shared/errors.ts';
export type { ObservationOf } from '../shared/observation.ts';
export type { PlanRequest } from '../shared/plan-request.ts';
export { Signer } from '../shared/signature.ts';
export type { Lookup, StoreEntry } from '../shared/store/store-reader.ts';
export { StoreReader } from '../shared/store/store-reader.ts';
export type { CacheStats } from './cache/cache-options.ts';
export { type OpenCacheOptions, openCache, type SeveralDomains, type SharedCache } from './cache/shared-cache.ts';
export type { ChatCallOptions } from './chat/chat-call-options.ts';
export type { ChatStats } from './chat/chat-counters.ts';
export type { ChatGateway } from './chat/chat-gateway.ts';
export type { ChatPlannerStats as PlannerStats } from './chat/chat-planner.ts';
export type { ChatOrigin, ChatReply, ChatSource } from './chat/chat-reply.ts';
export type {
  DecisionCaller,
  DecisionsAnswer,
  DecisionsAnswers,
  DecisionsRequest,
  SystemOneAnswer,
  SystemOneAnswers,
  SystemOneRequest,
} from './chat/decisions/decide.ts';
export type { DomainPlanner as Planner, DomainsPlanner, DomainsRequest } from './chat/domain-planner.ts';
export type { PassReply } from './chat/passed/pass-reply.ts';
export type { PassedRoute } from './chat/passed/pass-request.ts';
export type { PeerExit } from './faces/ipc/peer.ts';
export type {
  EmbeddedPlanner,
  RemoteOptions,
  RemotePlanner,
  RemotePlannerEvents,
  SpawnedPlanner,
} from './faces/ipc/remote-planner.ts';
export {
  type ConnectedPlanner,
  type ConnectedPlannerEvents,
  type ConnectOptions,
  connectPlanner,
  type PlannerStreams,
} from './faces/socket/client/connect-planner.ts';
export type { HelloResult } from './faces/socket/wire.ts';
export type { Attempt } from './models/calls/attempt.ts';
export type { ChatCacheOptions, ChatOptions } from './options/chat-options.ts';
export type {
  CacheOptions,
  DomainCacheOptions,
  DomainOptions,
  DomainsOption,
  DomainsPlannerOptions,
  EndpointOptions,
  ExpertOptions,
  PlannerOptions,
  SynthesisOptions,
} from './options/planner-options.ts';
export type { ProfileName } from './options/profiles.ts';
export type { PlannerEvents } from './plans/announcements.ts';
export type { DomainStats } from './plans/domain-core.ts';
export type { Future } from './plans/expectations/future.ts';
export type { CloseOptions, Landing, Plan, PlanOptions } from './plans/plan.ts';
export type { ConfigDefinition } from './service/config/config-file.ts';
export { createPlanner } from './service/create-planner.ts';
export { type EmbedOptions, embedPlanner } from './service/entries/embed-planner.ts';
export { type SpawnOptions, spawnPlanner } from './service/entries/spawn-planner.ts';
