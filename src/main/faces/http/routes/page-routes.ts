import { pipeline, type Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Monitor } from '../../../monitor/monitor.ts';
import { loadPageAssets, type PageAsset } from '../../../page/page-assets.ts';
import { LiveFeed } from '../live/live-feed.ts';
import { PROBLEM_ANSWERS } from '../schemas/answer-schemas.ts';
import type { RouteParts } from './route-parts.ts';

const SAMPLES_MAX = 600;

/** Nothing from other origins, nothing inline, nothing framed; the browser refuses to turn text into markup. */
const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // Revalidated each time, and sent again only if it has changed.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
};

const LIVE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-accel-buffering': 'no',
  vary: 'accept-encoding',
};

const LIVE = {
  summary: 'What the page shows, as it changes',
  description:
    'Server-sent events: `snapshot` with all there is, then `sample` each second. A client that is slow gets a new snapshot.',
  operationId: 'live',
  response: {
    200: { description: 'The events.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
    ...PROBLEM_ANSWERS,
  },
};

/** `GET /`: the page, with its files below `/page/`, and `GET /v1/live`: its data, as server-sent events. */
export function pageRoutes(app: FastifyInstance, { planner, clock, version, draining }: RouteParts): void {
  const monitor = new Monitor(planner, clock, { samplesMax: SAMPLES_MAX });
  const about = { version, domain: Object.keys(planner.domains).join(', '), samplesMax: SAMPLES_MAX };
  const feed = new LiveFeed(monitor, about, clock);
  const end = (): void => {
    feed.close();
    monitor.dispose();
  };
  draining.addEventListener('abort', end, { once: true });
  app.addHook('onClose', async () => end());
  app.get('/v1/live', { schema: LIVE, exposeHeadRoute: false }, (request, reply) => {
    const events = feed.open();
    const isGzipped = takesGzip(request);
    if (isGzipped) reply.header('content-encoding', 'gzip');
    return reply
      .type('text/event-stream; charset=utf-8')
      .headers(LIVE_HEADERS)
      .send(isGzipped ? gzipped(events) : events);
  });
  // The files contain no data: they need no token, so that the page can ask for one.
  const open = { config: { isOpen: true }, schema: { hide: true } };
  app.register(async (page) => {
    for (const asset of await loadPageAssets()) {
      page.get(asset.path, open, (request, reply) => sendAsset(asset, request, reply));
    }
  });
}

function sendAsset(asset: PageAsset, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { type, body, etag } = asset;
  reply.headers({ ...PAGE_HEADERS, etag });
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  if (!takesGzip(request)) return reply.type(type).send(body);
  return reply.type(type).header('content-encoding', 'gzip').send(asset.gzipped);
}

/** Sends each event as soon as it is there. The small window costs little compression and saves most of a client's memory. */
function gzipped(events: Readable): Readable {
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH, level: 6, windowBits: 14, memLevel: 7 });
  // If either side ends, so does the other. An error means that the client has disconnected.
  return pipeline(events, gzip, () => {});
}

function takesGzip({ headers }: FastifyRequest): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/.test(headers['accept-encoding']?.toString() ?? '');
}
