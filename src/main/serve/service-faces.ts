import type { Readable, Writable } from 'node:stream';
import type { Face, FaceParts } from '../faces/face.ts';
import { type HttpFace, openHttpFace } from '../faces/http/open-http-face.ts';
import { openSocketFace } from '../faces/socket/socket-face.ts';
import { openStdioFace, type StdioFace } from '../faces/socket/stdio-face.ts';
import type { Planner } from '../planner/planner.ts';
import { type FaceName, type FaceOpener, type NamedFace, openFaces } from './open-faces.ts';
import type { ServeSettings } from './serve-settings.ts';

export interface ServiceFaces {
  readonly all: readonly NamedFace[];
  readonly http: HttpFace | undefined;
  readonly stdio: StdioFace | undefined;
}

export interface ServiceStreams {
  readonly input: Readable;
  readonly output: Writable;
}

/** Opens what the settings ask for; all of it or nothing. */
export async function openServiceFaces(
  planner: Planner,
  { socket, stdio, http }: ServeSettings['serve'],
  partsOf: (name: FaceName) => FaceParts,
  streams: ServiceStreams,
): Promise<ServiceFaces> {
  const openers: FaceOpener[] = [];
  const opened: { http?: HttpFace; stdio?: StdioFace } = {};
  const add = (name: FaceName, open: () => Promise<Face>): void => void openers.push({ name, open });
  if (socket !== undefined) add('socket', () => openSocketFace(planner, socket, partsOf('socket')));
  if (http !== undefined)
    add('http', async () => {
      opened.http = await openHttpFace(planner, http, partsOf('http'));
      return opened.http;
    });
  // Last: from its first moment it reads what is there.
  if (stdio)
    add('stdio', async () => {
      opened.stdio = openStdioFace(planner, {}, { ...partsOf('stdio'), ...streams });
      return opened.stdio;
    });
  const all = await openFaces(openers);
  return { all, http: opened.http, stdio: opened.stdio };
}
