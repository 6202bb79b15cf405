import { cachedRequest } from '../states.ts';
import type { Dialect } from './exchange.ts';

const NEWLINE = 0x0a;

/** JSON-RPC, one message a line. */
export const LINES: Dialect = {
  request: (index) =>
    `${JSON.stringify({ jsonrpc: '2.0', id: index, method: 'plan', params: cachedRequest(index) })}\n`,
  reader: () => (chunk) => {
    let lines = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
    return lines;
  },
};

const HEAD_END = '\r\n\r\n';
const LENGTH = 'content-length: ';

/** HTTP/1.1 on kept connections, with answers that tell their length. */
export function posts(path: string, bodyOf: (index: number) => object): Dialect {
  return { ...ANSWERS, request: (index) => post(path, JSON.stringify(bodyOf(index))) };
}

function post(path: string, body: string): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}${HEAD_END}${body}`;
}

const ANSWERS: Pick<Dialect, 'reader'> = {
  reader: () => {
    let rest = '';
    return (chunk) => {
      rest += chunk.toString('latin1');
      let answers = 0;
      for (;;) {
        const headEnd = rest.indexOf(HEAD_END);
        if (headEnd < 0) return answers;
        if (!rest.startsWith('HTTP/1.1 200')) throw new Error(`not a success: ${rest.slice(0, 300)}`);
        const at = rest.slice(0, headEnd).toLowerCase().indexOf(LENGTH);
        const end = headEnd + HEAD_END.length + Number.parseInt(rest.slice(at + LENGTH.length, headEnd), 10);
        if (rest.length < end) return answers;
        rest = rest.slice(end);
        answers++;
      }
    };
  },
};

/** Cached plans over HTTP. */
export const HTTP: Dialect = posts('/v1/plans', cachedRequest);
