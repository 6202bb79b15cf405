import { wrap } from 'comlink';
import { expect, test } from 'vitest';
import { PeerEndpoint } from '../../../../src/main/faces/ipc/peer-endpoint.ts';

interface Api {
  double(value: unknown): Promise<unknown>;
}

function open(): { endpoint: PeerEndpoint; api: Api; posted: { id: string }[]; busy: boolean[] } {
  const posted: { id: string }[] = [];
  const busy: boolean[] = [];
  const endpoint = new PeerEndpoint({
    post: (message) => posted.push(structuredClone(message) as { id: string }),
    onBusy: (isBusy) => busy.push(isBusy),
  });
  return { endpoint, api: wrap<Api>(endpoint) as unknown as Api, posted, busy };
}

const GONE = { code: 'ERR_PEER_EXITED', message: 'gone', retryable: false } as const;

test('a reply goes to its own call, in whatever order replies come', async () => {
  const { endpoint, api, posted } = open();
  const both = [api.double(1), api.double(2)];
  expect(endpoint.waiting).toBe(2);
  endpoint.hear({ id: posted[1]?.id, type: 'RAW', value: 4 });
  endpoint.hear({ id: posted[0]?.id, type: 'RAW', value: 2 });
  expect(await Promise.all(both)).toEqual([2, 4]);
  expect(endpoint.waiting).toBe(0);
});

test('the end of the peer answers every call that waits and every later one, each once', async () => {
  const { endpoint, api, posted } = open();
  const before = [api.double(1), api.double(2)];
  endpoint.end(GONE);
  endpoint.end({ ...GONE, message: 'gone again' });
  const after = api.double(3);
  expect(await Promise.all([...before, after])).toEqual(Array(3).fill({ ok: false, error: GONE }));
  expect(posted).toHaveLength(2);
  endpoint.hear({ id: posted[0]?.id, type: 'RAW', value: 2 });
  expect(endpoint.waiting).toBe(0);
});

test('a call that cannot be cloned is answered and leaves nothing waiting', async () => {
  const { endpoint, api, busy } = open();
  expect(await api.double({ value: () => {} })).toMatchObject({ ok: false, error: { code: 'ERR_REQUEST_INVALID' } });
  expect(endpoint.waiting).toBe(0);
  expect(busy).toEqual([true, false]);
});

test('tells when the first call begins to wait and when the last one has its reply', async () => {
  const { endpoint, api, posted, busy } = open();
  void api.double(1);
  void api.double(2);
  expect(busy).toEqual([true]);
  endpoint.hear({ id: posted[0]?.id, type: 'RAW', value: 2 });
  expect(busy).toEqual([true]);
  endpoint.hear({ id: posted[1]?.id, type: 'RAW', value: 4 });
  expect(busy).toEqual([true, false]);
});

test.each([[undefined], [null], [5], [{}], [{ id: 7 }], [{ id: 'unknown', type: 'RAW', value: 1 }]])(
  'a message that is no reply to a call is dropped: %j',
  async (message) => {
    const { endpoint, api, posted } = open();
    const call = api.double(1);
    endpoint.hear(message);
    expect(endpoint.waiting).toBe(1);
    endpoint.hear({ id: posted[0]?.id, type: 'RAW', value: 2 });
    expect(await call).toBe(2);
  },
);
