import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A model server that lists `model` and never answers a chat call. Tells how many calls are open. */
export interface SilentServer extends AsyncDisposable {
  readonly baseURL: string;
  /** Chat calls that were accepted and whose connection is open. */
  readonly open: number;
  readonly accepted: number;
}

export async function startSilentServer(model = 'm'): Promise<SilentServer> {
  let open = 0;
  let accepted = 0;
  const server: Server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.endsWith('/models')) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ object: 'list', data: [{ id: model, object: 'model' }] }));
      return;
    }
    open++;
    accepted++;
    request.resume();
    response.on('close', () => {
      open--;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    get open() {
      return open;
    },
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
