import type { FaceParts } from '../faces/face.ts';
import { type HttpFace, openHttpFace } from '../faces/http/open-http-face.ts';
import type { Planner } from '../planner/planner.ts';
import { type FaceName, type FaceOpener, type NamedFace, openFaces } from './open-faces.ts';
import type { ServeSettings } from './serve-settings.ts';

export interface ServiceFaces {
  readonly all: readonly NamedFace[];
  readonly http: HttpFace | undefined;
}

/** Opens what the settings ask for; all of it or nothing. */
export async function openServiceFaces(
  planner: Planner,
  { http: httpOptions }: ServeSettings['serve'],
  partsOf: (name: FaceName) => FaceParts,
): Promise<ServiceFaces> {
  let http: HttpFace | undefined;
  const openers: FaceOpener[] = [];
  if (httpOptions !== undefined) {
    const open = async (): Promise<HttpFace> => {
      http = await openHttpFace(planner, httpOptions, partsOf('http'));
      return http;
    };
    openers.push({ name: 'http', open });
  }
  const all = await openFaces(openers);
  return { all, http };
}
