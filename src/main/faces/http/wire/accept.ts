/** One entry of `Accept`: a media range and its quality, 0 to 1. */
interface MediaRange {
  readonly type: string;
  readonly q: number;
}

function rangesOf(accept: string): MediaRange[] {
  return accept.split(',').map((entry) => {
    const [type, ...params] = entry.split(';').map((part) => part.trim().toLowerCase());
    const q = params.find((param) => param.startsWith('q='))?.slice(2);
    return { type: type as string, q: q === undefined ? 1 : Math.min(1, Math.max(0, Number(q) || 0)) };
  });
}

/** The quality of a type, by the most specific range that matches. */
function qualityOf(type: string, ranges: readonly MediaRange[]): { q: number; isNamed: boolean } {
  const group = `${type.split('/', 1)[0]}/*`;
  for (const name of [type, group, '*/*']) {
    const range = ranges.find((each) => each.type === name);
    if (range !== undefined) return { q: range.q, isNamed: name === type };
  }
  return { q: 0, isNamed: false };
}

/** True if a client prefers events to JSON. If both have the same quality, the type that it names, or names first, wins. */
export function prefersEvents(accept: string | undefined): boolean {
  if (accept === undefined || !/text\/event-stream/i.test(accept)) return false;
  const ranges = rangesOf(accept);
  const events = qualityOf('text/event-stream', ranges);
  const json = qualityOf('application/json', ranges);
  if (events.q === 0 || events.q !== json.q) return events.q > json.q;
  if (!json.isNamed) return events.isNamed;
  const first = ranges.find(({ type }) => type === 'text/event-stream' || type === 'application/json');
  return first?.type === 'text/event-stream';
}
