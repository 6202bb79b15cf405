import type { EngineReply } from './engine.ts';

/** One life of the two connections to an engine: one for commands, one on which messages arrive. */
export interface EngineLink {
  /** Rejects with the engine's error reply, or when the connection ends. Has no time limit of its own. */
  send(args: readonly (string | Buffer)[]): Promise<EngineReply>;
  /** Resolves when the engine has confirmed. */
  subscribe(channel: string, onMessage: (message: Buffer) => void): Promise<void>;
  unsubscribe(channel: string): void;
  /**
   * Resolves when the engine counts this node as a subscriber of a channel, by the connection for commands: the keep-alive of a kernel
   * ends a connection whose other side has died without a word, but not while messages are on their way.
   */
  announce(channel: string): Promise<void>;
  /** Resolves when both connections answer. */
  beat(): Promise<void>;
  /** Called at most once, when either connection ends by itself. */
  onLost: (cause: Error) => void;
  /** Ends both at once. What is pending rejects. */
  close(): void;
}

/** Rejects when the signal aborts; nothing is left open then. */
export type OpenLink = (url: string, signal: AbortSignal) => Promise<EngineLink>;

/** An address that does not answer is given up after this time, in milliseconds: the client cannot be stopped before. */
const CONNECT_MS = 1_500;

/** Connects twice, and never again by itself: that is decided by the caller. */
export const openRedisLink: OpenLink = async (url, signal) => {
  // Loaded only if used, because that takes some 80 ms.
  const { createClient, RESP_TYPES } = await import('@redis/client');
  const make = () =>
    createClient({
      url,
      RESP: 3,
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      socket: { reconnectStrategy: false, noDelay: true, connectTimeout: CONNECT_MS },
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    });
  const [commands, messages] = [make(), make()];
  const clients = [commands, messages];
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    for (const client of clients) if (client.isOpen) client.destroy();
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const lost = (cause: Error): void => {
    failed.reject(cause);
    if (!isOpen) return;
    close();
    link.onLost(cause);
  };
  const link: EngineLink = {
    send: (args) => commands.sendCommand<EngineReply>(args),
    subscribe: (channel, onMessage) => messages.sSubscribe(channel, onMessage, true),
    unsubscribe: (channel) => void messages.sUnsubscribe(channel).catch(() => {}),
    announce: (channel) => commands.sSubscribe(channel, () => {}),
    beat: async () => void (await Promise.all([commands.sendCommand(['PING']), messages.ping()])),
    onLost: () => {},
    close,
  };
  for (const client of clients) {
    client.on('error', lost);
    client.on('end', () => lost(new Error('the connection ended')));
  }
  // A connection that is accepted and then says nothing has no time limit in the client.
  const onAbort = (): void => lost(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([Promise.all(clients.map((client) => client.connect())), failed.promise]);
    return link;
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};
