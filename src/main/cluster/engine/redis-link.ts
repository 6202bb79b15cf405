import type { Clock } from '../../../shared/clock.ts';
import type { EngineReply } from './engine.ts';
import { engineHost } from './engine-host.ts';
import { MessageConnection } from './message-connection.ts';

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
export type OpenLink = (url: string, signal: AbortSignal, clock: Clock) => Promise<EngineLink>;

/** An address that does not answer is given up after this time, in milliseconds: the client cannot be stopped before. */
const CONNECT_MS = 1_500;

/** Connects twice, and never again by itself: that is decided by the caller. */
export const openRedisLink: OpenLink = async (url, signal, clock) => {
  // Loaded only if used, because that takes some 80 ms.
  const { createClient, RESP_TYPES } = await import('@redis/client');
  signal.throwIfAborted();
  const commands = createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    // The client gives all of it to its socket, and takes the host and TLS from the URL.
    socket: { ...engineHost(url), reconnectStrategy: false, noDelay: true, connectTimeout: CONNECT_MS },
    // A time limit of the client's would cost a signal for each command: the engine's calls have their own.
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer }, timeout: 0 },
  });
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    if (commands.isOpen) commands.destroy();
    messages.close();
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const lost = (cause: Error): void => {
    failed.reject(cause);
    if (!isOpen) return;
    close();
    link.onLost(cause);
  };
  const messages = new MessageConnection(url, clock, lost);
  const link: EngineLink = {
    send: (args) => commands.sendCommand<EngineReply>(args),
    subscribe: (channel, onMessage) => messages.subscribe(channel, onMessage),
    unsubscribe: (channel) => messages.unsubscribe(channel),
    announce: (channel) => commands.sSubscribe(channel, () => {}),
    beat: async () => void (await Promise.all([commands.sendCommand(['PING']), messages.ping()])),
    onLost: () => {},
    close,
  };
  commands.on('error', lost);
  commands.on('end', () => lost(new Error('the connection ended')));
  // A connection that is accepted and then says nothing has no time limit in the client.
  const onAbort = (): void => lost(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([Promise.all([commands.connect(), messages.ping()]), failed.promise]);
    return link;
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};
