import { connect, type Socket } from 'node:net';
import type { FaceLog } from '../../src/main/faces/face.ts';
import type { HttpFaceOptions } from '../../src/main/faces/http/http-options.ts';
import { type HttpFace, openHttpFace } from '../../src/main/faces/http/open-http-face.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { Behaviour } from './fake-models.ts';
import { makePlanner, type PlannerUnderTest, request } from './make-planner.ts';

export const silentLog: FaceLog = { debug() {}, info() {}, warn() {}, error() {} };

export interface FaceUnderTest extends PlannerUnderTest {
  readonly face: HttpFace;
  readonly port: number;
  /** A request to the face. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** A plan asked for over HTTP. */
  post(body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
}

/** A face on a free port of this machine over the real planner, scripted models and a fake clock. */
export async function openFace({
  script = () => ({ kind: 'answers', action: 'block' }),
  http = {},
  planner: options = {},
  log = silentLog,
  models,
}: {
  script?: (call: { role: string | undefined; model: string; nth: number }) => Behaviour;
  http?: Partial<HttpFaceOptions>;
  planner?: Partial<PlannerOptions>;
  log?: FaceLog;
  /** What the model server lists. */
  models?: readonly string[];
} = {}): Promise<FaceUnderTest> {
  const under = await makePlanner(script, options, models);
  const face = await openHttpFace(under.planner, { port: 0, ...http }, { clock: under.clock, log, version: '1.2.3' });
  const call = (path: string, init?: RequestInit): Promise<Response> => fetch(`${face.address}${path}`, init);
  const post = (body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> =>
    call('/v1/plans', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      ...(signal && { signal }),
    });
  const dispose = async (): Promise<void> => {
    await face.close();
    await under.planner.close();
  };
  return { ...under, face, port: Number(new URL(face.address).port), call, post, [Symbol.asyncDispose]: dispose };
}

/** A plan's request as it goes over the wire, by hand. */
export function rawPlan(body: string | Buffer = JSON.stringify(request()), headers: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body);
  const head = [
    'POST /v1/plans HTTP/1.1',
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${bytes.length}`,
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
}

/** A connection by hand: what has come so far, and when it has ended. */
export class RawConnection implements Disposable {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  received = '';
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    // A reset is one way to be cut off.
    socket.on('error', () => {});
    socket.on('data', (text: string) => {
      this.received += text;
      for (const look of [...this.#waiting]) look();
    });
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: false });
    const client = new RawConnection(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return client;
  }

  /** Resolves when so much has come that `test` finds what it looks for. */
  until(test: (received: string) => boolean): Promise<string> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!test(this.received)) return;
        this.#waiting.delete(look);
        resolve(this.received);
      };
      this.#waiting.add(look);
      look();
    });
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
