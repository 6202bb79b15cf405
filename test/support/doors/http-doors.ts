import type { Pool } from 'undici';
import { expect } from 'vitest';
import { RawConnection } from '../open-face.ts';
import { type Door, PATIENCE_MS } from './door.ts';

const STATUSES = [200, 204, 400, 403, 404, 405, 408, 413, 415, 417, 431, 505];

/** Bodies: each is answered with what was asked for or with a coded error. */
export function bodyDoor(pool: Pool, path: string): Door {
  return async (body) => {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const { statusCode, body: answer } = await pool.request({ path, method: 'POST', headers, body, signal });
      const told = await answer.text();
      expect(statusCode, told).not.toBe(500);
      if (statusCode >= 400) expect(told).toMatch(/"code"/);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}

/** Whole requests as bytes, each on a connection of its own: answered, or cut off. */
export function requestDoor(port: number): Door {
  return async (bytes) => {
    using client = await RawConnection.open(port);
    client.socket.end(bytes);
    await client.ended;
    for (const [, status] of client.received.matchAll(/HTTP\/1\.1 (\d\d\d) /g)) {
      expect(STATUSES).toContain(Number(status));
    }
  };
}
