import type { Planner, PlannerStats, StatsByDomain } from '../plans/planner.ts';
import type { ChatStats } from './chat-counters.ts';
import type { ChatGateway } from './chat-gateway.ts';

/** A planner with the chat gateway, as `createPlanner` opens it: the library's type `Planner`. */
export type ChatPlanner = Planner<ChatGateway>;

/** The type of its `stats()`, including chats: the library's type `PlannerStats`. */
export type ChatPlannerStats = PlannerStats<ChatStats> & StatsByDomain;
