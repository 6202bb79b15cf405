import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../shared/clock.ts';
import type { ChatPlanner } from '../chat/chat-planner.ts';
import { ByteBudget, SERVICE_BYTES } from '../faces/byte-budget.ts';
import type { Face, FaceParts } from '../faces/face.ts';
import { largestDomain, resolveHttpOptions } from '../faces/http/http-options.ts';
import { type HttpFace, openHttpFace } from '../faces/http/open-http-face.ts';
import { openSocketFace } from '../faces/socket/socket-face.ts';
import { resolveSocketFace } from '../faces/socket/socket-options.ts';
import { openStdioFace, type StdioFace } from '../faces/socket/stdio-face.ts';
import type { ServeSettings } from './config/serve-settings.ts';
import { type FaceName, type FaceOpener, type NamedFace, openFaces } from './open-faces.ts';

export interface ServiceFaces {
  readonly all: readonly NamedFace[];
  readonly http: HttpFace | undefined;
  readonly stdio: StdioFace | undefined;
}

interface ServiceStreams {
  readonly input: Readable;
  readonly output: Writable;
}

/** Opens the faces in the settings: all of them or none. */
export async function openServiceFaces(
  planner: ChatPlanner,
  settings: ServeSettings['serve'],
  partsOf: (name: FaceName) => FaceParts,
  streams: ServiceStreams,
): Promise<ServiceFaces> {
  const { socket, stdio, http } = settings;
  const openers: FaceOpener[] = [];
  const largeBytes = serviceBudget(planner, settings, partsOf('http').clock);
  const withBudget = (name: FaceName): FaceParts => ({ ...partsOf(name), largeBytes });
  const opened: { http?: HttpFace; stdio?: StdioFace } = {};
  const add = (name: FaceName, open: () => Promise<Face>): void => void openers.push({ name, open });
  if (socket !== undefined) add('socket', () => openSocketFace(planner, socket, withBudget('socket')));
  if (http !== undefined)
    add('http', async () => {
      opened.http = await openHttpFace(planner, http, withBudget('http'));
      return opened.http;
    });
  // Last, because it starts to read its input at once.
  if (stdio)
    add('stdio', async () => {
      opened.stdio = openStdioFace(planner, {}, { ...withBudget('stdio'), ...streams });
      return opened.stdio;
    });
  const all = await openFaces(openers);
  return { all, http: opened.http, stdio: opened.stdio };
}

/** The shared limit of all faces: at least the limit of each face alone. */
function serviceBudget(planner: ChatPlanner, { http, socket }: ServeSettings['serve'], clock: Clock): ByteBudget {
  const bytes = [
    SERVICE_BYTES,
    planner.chats.bodyBytesMax,
    http === undefined ? 0 : resolveHttpOptions(http, largestDomain(planner.domains)).largeBodiesBytesMax,
    socket === undefined ? 0 : resolveSocketFace(socket).largeMessagesBytesMax,
  ];
  return new ByteBudget(Math.max(...bytes), clock);
}
