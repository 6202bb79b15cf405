/** Messages of a JSON-RPC client that asks for this plan, right and wrong ones. */
export function lineValues(request: object): readonly unknown[] {
  const plan = { ...request, qValues: { attack: 0.5 }, timeoutMs: 5_000, priority: 1, progress: false };
  const message = (id: unknown, method: string, params?: unknown) => ({ jsonrpc: '2.0', id, method, params });
  return [
    message(1, 'plan', plan),
    message('two', 'plan', { ...plan, progress: true }),
    message(null, 'peek', request),
    message(11, 'expect', { futures: [{ ...request, inMs: 50, likelihood: 1 }] }),
    message(12, 'observe', request),
    message(4, 'hello', { protocol: 1, client: 'fuzz' }),
    message(5, 'stats'),
    message(6, 'clearCache', {}),
    message(7, 'ping', []),
    message(8, '$/cancel', { id: 1 }),
    message(undefined, '$/cancel', { id: 'two' }),
    message(undefined, 'plan', plan),
    [message(9, 'ping'), message(10, 'plan', plan), message(undefined, 'ping'), 3],
    [],
  ];
}
