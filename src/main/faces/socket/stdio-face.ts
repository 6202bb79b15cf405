import type { Readable, Writable } from 'node:stream';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import { ByteBudget } from '../byte-budget.ts';
import type { Face, FaceParts } from '../face.ts';
import { RpcSession } from './rpc-session.ts';
import { type RpcLimits, resolveRpcLimits } from './socket-options.ts';

export interface StdioFace extends Face {
  /** Resolves when the input has ended and all its calls have been answered, or when the face is closed. */
  readonly ended: Promise<void>;
}

/** Serves `planner` to one client over two streams, usually those of the process. They stay open when it ends. Throws ERR_OPTIONS_INVALID. */
export function openStdioFace(
  planner: ChatPlanner,
  options: RpcLimits,
  parts: FaceParts & { readonly input: Readable; readonly output: Writable },
): StdioFace {
  const limits = resolveRpcLimits(options);
  const session = new RpcSession({
    ...parts,
    planner,
    limits,
    budget: new ByteBudget(limits.largeMessagesBytesMax, parts.clock, parts.largeBytes),
    counters: { calls: 0, badMessages: 0, ignoredNotifications: 0, slowClients: 0, waitingBytes: 0 },
    atEnd: 'asks-no-more',
    endsOutput: false,
  });
  const close = (): Promise<void> => session.close();
  return {
    address: 'standard input',
    ended: session.closed,
    drain: () => session.drain(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
