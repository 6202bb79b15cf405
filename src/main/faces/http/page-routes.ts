import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Monitor } from '../../monitor/monitor.ts';
import { LiveFeed } from './live/live-feed.ts';
import { loadPageAssets, type PageAsset } from './live/page-assets.ts';
import type { RouteParts } from './route-parts.ts';
import { PROBLEM_ANSWERS } from './schemas/answer-schemas.ts';

const SAMPLES_MAX = 600;

/** Nothing from elsewhere, nothing inline, nothing framed; text never becomes markup, for the browser refuses it. */
const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // Asked for again each time, and sent again only where it is another one.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
};

/** `GET /`: the page, with its files below `/page/`, and `GET /v1/live`: what it shows, as server-sent events. */
export function pageRoutes(app: FastifyInstance, { planner, clock, version, draining }: RouteParts): void {
  const monitor = new Monitor(planner, clock, { samplesMax: SAMPLES_MAX });
  const feed = new LiveFeed(monitor, { version, domain: planner.domain.name, samplesMax: SAMPLES_MAX });
  const end = (): void => {
    feed.close();
    monitor.dispose();
  };
  draining.addEventListener('abort', end, { once: true });
  app.addHook('onClose', async () => end());
  const live = {
    summary: 'What the page shows, as it changes',
    description:
      'Server-sent events: `snapshot` with all there is, then `sample` each second. A client that is slow gets a new snapshot.',
    operationId: 'live',
    response: {
      200: { description: 'The events.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      ...PROBLEM_ANSWERS,
    },
  };
  app.get('/v1/live', { schema: live, exposeHeadRoute: false }, (_request, reply) =>
    reply
      .type('text/event-stream; charset=utf-8')
      .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-accel-buffering': 'no' })
      .send(feed.open()),
  );
  // There is no data in the files: they need no token, so that the page can ask for one.
  const open = { config: { isOpen: true }, schema: { hide: true } };
  app.register(async (page) => {
    for (const asset of await loadPageAssets()) {
      page.get(asset.path, open, (request, reply) => sendAsset(asset, request, reply));
    }
  });
}

function sendAsset(
  { type, body, gzipped, etag }: PageAsset,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.headers({ ...PAGE_HEADERS, etag });
  if (headers['if-none-match'] === etag) return reply.code(304).send();
  const takesGzip = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
  if (takesGzip) reply.header('content-encoding', 'gzip');
  return reply.type(type).send(takesGzip ? gzipped : body);
}
