import { createServer, type Socket } from 'node:net';

/** A bare JSON-lines echo: each line is parsed and written again as JSON, all lines of a chunk in one write. */
export async function serve(path: string): Promise<string> {
  const server = createServer((socket) => echo(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

function echo(socket: Socket): void {
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  let rest = '';
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() as string;
    let out = '';
    for (const line of lines) out += `${JSON.stringify(JSON.parse(line))}\n`;
    if (out !== '') socket.write(out);
  });
}
