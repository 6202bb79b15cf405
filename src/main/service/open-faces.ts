import type { Face } from '../faces/face.ts';

export type FaceName = 'socket' | 'stdio' | 'http';

export interface NamedFace {
  readonly name: FaceName;
  readonly face: Face;
}

export interface FaceOpener {
  readonly name: FaceName;
  readonly open: () => Promise<Face>;
}

/** Opens the faces one after the other. If one cannot be opened, those before it are closed, and the error is thrown. */
export async function openFaces(openers: readonly FaceOpener[]): Promise<NamedFace[]> {
  await using opened = new AsyncDisposableStack();
  const faces: NamedFace[] = [];
  for (const { name, open } of openers) faces.push({ name, face: opened.use(await open()) });
  opened.move();
  return faces;
}
