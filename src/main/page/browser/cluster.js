import { card, el, showSection, table } from './dom.js';
import { count, duration } from './format.js';

/**
 * This node's part in a cluster: whether the engine is there, the slots that nodes share, and what travels between them. Hidden if the planner
 * works alone.
 *
 * @import { PlannerStats } from '../../plans/planner.ts'
 * @import { ClusterStats } from '../../cluster/cluster.ts'
 */

/** @param {Element} parent @param {PlannerStats} stats */
export function showCluster(parent, { cluster }) {
  showSection(parent, cluster !== undefined);
  if (cluster === undefined) return;
  const state = el('p', { 'data-state': cluster.engine.isUp ? 'joined' : 'away' }, engineText(cluster));
  parent.replaceChildren(card(state, leaseTable(cluster), domainTable(cluster)));
}

/** @param {ClusterStats} cluster */
function engineText({ name, node, engine }) {
  const { url, isUp, why, sinceMs, version, roundTripMs } = engine;
  const who = `Node ${node} of cluster ${name}`;
  if (!isUp) return `${who} goes on alone, for ${duration(sinceMs)}: ${url} is away (${why}).`;
  const times = roundTripMs.count === 0 ? '' : `, a round trip takes ${duration(roundTripMs.p50)}`;
  return `${who}, joined for ${duration(sinceMs)} through ${version} at ${url}${times}.`;
}

/** @param {ClusterStats} cluster */
function leaseTable({ leases }) {
  return table(
    'Slots that nodes share',
    ['Model server', 'Budget', 'Nodes', 'Slots', 'Held here', 'Wanted here', 'Lent', 'Waiting elsewhere'],
    leases.map(({ server, mode, nodes, slots, leases: held, wanted, lent, othersWaiting }) => [
      server,
      mode === 'shared' ? 'shared' : 'own share, alone',
      ...[nodes, slots, held, wanted, lent, othersWaiting].map(count),
    ]),
  );
}

/** @param {ClusterStats} cluster */
function domainTable({ shared }) {
  return table(
    'What nodes tell each other',
    ['Domain', 'Log', 'Sent', 'Received', 'Lag', 'States of its own', 'Decided elsewhere', 'Waiting'],
    shared.map(({ domain, log, states }) => [
      domain,
      log.isLive ? 'followed' : 'catching up',
      count(log.sent),
      count(log.received),
      log.received === 0 ? '–' : duration(log.lagMs),
      count(states.claims.own),
      count(states.claims.made),
      count(states.waiting),
    ]),
  );
}
