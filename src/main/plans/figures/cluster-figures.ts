import type { ClusterStats } from '../../cluster/cluster.ts';
import { type Figure, type FigurePath, type FigureRow, figuresOf } from './figure.ts';

type ClusterFigurePath = FigurePath<{ readonly cluster: ClusterStats }, never>;

/** The figures of a node in a cluster. */
// biome-ignore format: a figure is one line.
const ROWS = {
  'cluster.engine.isUp': ['Engine there', 'flag', 'high', 'Whether the engine of the cluster is connected; without it the node goes on alone.', { metric: 'conclave_cluster_engine_up' }],
  'cluster.engine.sinceMs': ['Engine since', 'ms', 'none', 'For how long the engine has been there, or away.'],
  'cluster.engine.calls': ['Calls to the engine', 'count', 'none', 'Calls to the engine of the cluster.', { metric: 'conclave_cluster_engine_calls_total' }],
  'cluster.engine.timeouts': ['Engine too late', 'count', 'low', 'Calls that the engine did not answer in time.', { metric: 'conclave_cluster_engine_timeouts_total' }],
  'cluster.engine.refused': ['Engine refused', 'count', 'low', 'Calls that the engine answered with an error.', { metric: 'conclave_cluster_engine_refused_total' }],
  'cluster.engine.losses': ['Engine lost', 'count', 'low', 'Times that the engine went away.', { metric: 'conclave_cluster_engine_losses_total' }],
  'cluster.engine.roundTripMs': ['Round trip to the engine', 'times', 'low', 'From a call to the engine to its reply.'],
  'cluster.leases.*.leases': ['Leases', 'count', 'none', 'Calls that this node may have at work at the model server now.', { metric: 'conclave_cluster_leases' }],
  'cluster.leases.*.wanted': ['Leases wanted', 'count', 'low', 'Waiting calls of this node that need further leases.', { metric: 'conclave_cluster_leases_wanted' }],
  'cluster.leases.*.lent': ['Leases lent', 'count', 'none', "Slots of this node's equal share that other nodes use.", { metric: 'conclave_cluster_leases_lent' }],
  'cluster.leases.*.othersWaiting': ['Waiting at other nodes', 'count', 'none', 'Calls to the model server for which other nodes wait.', { metric: 'conclave_cluster_others_waiting' }],
  'cluster.leases.*.nodes': ['Nodes', 'count', 'none', 'Nodes that use the model server.', { metric: 'conclave_cluster_nodes' }],
  'cluster.leases.*.slots': ['Shared slots', 'count', 'none', 'Slots of the model server, as the nodes agree.', { metric: 'conclave_cluster_slots' }],
  'cluster.leases.*.ghosts': ['Leases of aborted calls', 'count', 'none', 'Leases whose aborted calls are probably still being worked on.'],
  'cluster.leases.*.syncs': ['Reports of leases', 'count', 'none', 'Reports to the engine about leases.', { metric: 'conclave_cluster_lease_reports_total' }],
  'cluster.leases.*.unanswered': ['Reports not answered', 'count', 'low', 'Reports about leases that were not answered.'],
  'cluster.leases.*.sheds': ['Calls shed', 'count', 'low', 'Times that calls were cancelled because their leases had lapsed.', { metric: 'conclave_cluster_sheds_total' }],
  'cluster.shared.*.log.isLive': ['Log followed', 'flag', 'high', "Whether this node follows the other nodes' decisions without a gap.", { metric: 'conclave_cluster_log_live' }],
  'cluster.shared.*.log.queued': ['Decisions to send', 'count', 'none', 'Decisions of this node that wait to be sent.', { metric: 'conclave_cluster_log_queued' }],
  'cluster.shared.*.log.sent': ['Decisions sent', 'count', 'none', 'Decisions of this node that other nodes were told.', { metric: 'conclave_cluster_log_sent_total' }],
  'cluster.shared.*.log.batches': ['Batches sent', 'count', 'none', 'Messages in which they were sent.'],
  'cluster.shared.*.log.received': ['Decisions received', 'count', 'high', 'Decisions of other nodes that were taken over.', { metric: 'conclave_cluster_log_received_total' }],
  'cluster.shared.*.log.dropped.poisoned': ['Dropped, damaged', 'count', 'low', 'Decisions of other nodes that were damaged or not possible.', { metric: 'conclave_cluster_log_dropped_total{reason="poisoned"}', metricHelp: 'Decisions that were not sent or not taken over, by reason.' }],
  'cluster.shared.*.log.dropped.expired': ['Dropped, expired', 'count', 'none', 'Decisions of other nodes that had expired when they came.', { metric: 'conclave_cluster_log_dropped_total{reason="expired"}' }],
  'cluster.shared.*.log.dropped.cleared': ['Dropped, cleared', 'count', 'none', 'Decisions of other nodes from before a clear.', { metric: 'conclave_cluster_log_dropped_total{reason="cleared"}' }],
  'cluster.shared.*.log.dropped.overridden': ['Dropped, overridden', 'count', 'none', "Decisions of other nodes that this node's own newer ones override.", { metric: 'conclave_cluster_log_dropped_total{reason="overridden"}' }],
  'cluster.shared.*.log.dropped.full': ['Dropped, too many', 'count', 'low', 'Decisions of this node that were not sent, because too many waited.', { metric: 'conclave_cluster_log_dropped_total{reason="full"}' }],
  'cluster.shared.*.log.clears': ['Clears heard of', 'count', 'none', 'Times that another node cleared the cache.'],
  'cluster.shared.*.log.gaps': ['Gaps in the log', 'count', 'low', 'Times that messages of other nodes were missed and read later.', { metric: 'conclave_cluster_log_gaps_total' }],
  'cluster.shared.*.log.reads': ['Reads of the log', 'count', 'none', 'Pages of the log that were read.'],
  'cluster.shared.*.log.restarts': ['Log read anew', 'count', 'low', "Times that the whole log was read, because this node's place was not in it any more."],
  'cluster.shared.*.log.failed': ['Log calls failed', 'count', 'low', 'Calls to the engine about the log that failed.'],
  'cluster.shared.*.log.lagMs': ['Lag of the log', 'ms', 'low', 'Age of the message received last when it was applied.', { metric: 'conclave_cluster_log_lag_seconds' }],
  'cluster.shared.*.log.lagsMs': ['Lags of the log', 'times', 'low', 'Ages of messages when they were applied.'],
  'cluster.shared.*.states.claims.own': ['States claimed', 'count', 'none', 'Flights whose state this node claimed.', { metric: 'conclave_cluster_claims_total{outcome="own"}', metricHelp: 'Claims of states, by outcome.' }],
  'cluster.shared.*.states.claims.made': ['States decided elsewhere', 'count', 'high', 'Flights whose state another node had decided, or was deciding.', { metric: 'conclave_cluster_claims_total{outcome="made"}' }],
  'cluster.shared.*.states.claims.another': ['States claimed elsewhere', 'count', 'none', 'Claims that found another node at work.', { metric: 'conclave_cluster_claims_total{outcome="another"}' }],
  'cluster.shared.*.states.claims.late': ['Claims too late', 'count', 'low', 'Claims that the engine did not answer in time.', { metric: 'conclave_cluster_claims_total{outcome="late"}' }],
  'cluster.shared.*.states.claims.away': ['Claims without engine', 'count', 'low', 'Claims that were not made because the engine was away.', { metric: 'conclave_cluster_claims_total{outcome="away"}' }],
  'cluster.shared.*.states.waiting': ['Flights waiting for nodes', 'count', 'none', 'Flights that wait for another node now.'],
  'cluster.shared.*.states.waits': ['Waits for nodes', 'count', 'none', 'Flights that waited for another node.', { metric: 'conclave_cluster_waits_total' }],
  'cluster.shared.*.states.inVain': ['Waits in vain', 'count', 'low', 'Flights that waited for another node and got nothing.', { metric: 'conclave_cluster_waits_in_vain_total' }],
  'cluster.shared.*.acts.sent': ['Last acts sent', 'count', 'none', 'Last acts of agents that other nodes were told.'],
  'cluster.shared.*.acts.received': ['Last acts received', 'count', 'none', 'Last acts of agents that other nodes told.'],
  'cluster.shared.*.acts.dropped': ['Last acts dropped', 'count', 'low', 'Last acts that were not sent because there were too many, or that were damaged.'],
} as const satisfies Record<ClusterFigurePath, FigureRow>;

export const CLUSTER_FIGURES: readonly Figure[] = figuresOf(ROWS);
