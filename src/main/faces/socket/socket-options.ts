import { z } from 'zod';
import { checkOptions, failOptions } from '../../../shared/check-options.ts';
import { FACE_BYTES } from '../byte-budget.ts';

/** Bounds of one client. They also hold for standard input, which has one client. */
export interface RpcLimits {
  /**
   * Maximum size of one line, in bytes. Default 24 MiB, because an image may have 16 MB of base64. A longer line is answered with
   * ERR_MESSAGE_TOO_LARGE, and the connection is closed.
   */
  readonly messageBytesMax?: number;
  /**
   * Maximum size of all lines over 64 KiB of all clients together, from their first byte until they are answered. Beyond it, the slowest
   * line that is still arriving is dropped with ERR_PLANNER_OVERLOADED. At least `messageBytesMax`. Default: 128 MiB, or four
   * times `messageBytesMax`.
   */
  readonly largeMessagesBytesMax?: number;
  /**
   * Maximum number of plans in flight of one client, and of calls in one batch. Default 256, a quarter of the planner's `maxInFlight`,
   * so that one client cannot fill it. At the limit, the server stops reading from the client until a plan settles. At least 2: a plan
   * and its cancellation.
   */
  readonly callsMax?: number;
  /** Size of unread answers above which the server stops reading from the client. Default 1 MiB. */
  readonly writeBufferBytes?: number;
  /** Size of unread answers above which the client is disconnected with ERR_CLIENT_SLOW. Default 32 MiB. */
  readonly writeBufferBytesMax?: number;
  /**
   * How long a client may read nothing while more than `writeBufferBytes` wait for it, in milliseconds, before it is disconnected
   * with ERR_CLIENT_SLOW. Default 10,000.
   */
  readonly slowClientMs?: number;
}

export interface SocketFaceOptions extends RpcLimits {
  /** Path of the Unix socket, or of the named pipe on Windows: `\\.\pipe\NAME`. */
  readonly path: string;
  /** Maximum number of clients. Further ones get ERR_CLIENT_LIMIT and are disconnected. Default 1,024. */
  readonly connectionsMax?: number;
}

export type ResolvedRpcLimits = Required<RpcLimits>;
export type ResolvedSocketFace = Required<SocketFaceOptions>;

/** Upper bound of `messageBytesMax`, because a line must fit into a string. */
const bytes = z
  .int()
  .min(1_024)
  .max(2 ** 28);
const count = z.number().int().positive().max(1_000_000);

const limitsShape = {
  messageBytesMax: bytes.optional(),
  largeMessagesBytesMax: z
    .int()
    .min(65_536)
    .max(2 ** 36)
    .optional(),
  callsMax: count.min(2).optional(),
  writeBufferBytes: bytes.optional(),
  writeBufferBytesMax: bytes.optional(),
  slowClientMs: z.number().int().positive().max(3_600_000).optional(),
};

/** Schema of the options of standard input. */
const rpcLimitsSchema = z.strictObject(limitsShape);
/** Schemas for composing the options of several faces, on the command line or in a configuration file. */
export const socketFaceSchema = z.strictObject({
  path: z.string().min(1),
  connectionsMax: count.optional(),
  ...limitsShape,
});

const MEBIBYTE = 2 ** 20;

/** Checks options and fills in defaults. Throws ERR_OPTIONS_INVALID, naming `socket.KEY`. */
export function resolveSocketFace(options: SocketFaceOptions): ResolvedSocketFace {
  const { path, connectionsMax, ...limits } = checkOptions(socketFaceSchema, options, 'socket.');
  return { path, connectionsMax: connectionsMax ?? 1_024, ...completed(limits, 'socket.') };
}

/** Checks options and fills in defaults. Throws ERR_OPTIONS_INVALID, naming `stdio.KEY`. */
export function resolveRpcLimits(options: RpcLimits): ResolvedRpcLimits {
  return completed(checkOptions(rpcLimitsSchema, options, 'stdio.'), 'stdio.');
}

function completed(given: z.infer<typeof rpcLimitsSchema>, prefix: string): ResolvedRpcLimits {
  const messageBytesMax = given.messageBytesMax ?? 24 * MEBIBYTE;
  const limits = {
    messageBytesMax,
    largeMessagesBytesMax: given.largeMessagesBytesMax ?? Math.max(FACE_BYTES, 4 * messageBytesMax),
    callsMax: given.callsMax ?? 256,
    writeBufferBytes: given.writeBufferBytes ?? MEBIBYTE,
    writeBufferBytesMax: given.writeBufferBytesMax ?? 32 * MEBIBYTE,
    slowClientMs: given.slowClientMs ?? 10_000,
  };
  const { writeBufferBytes, writeBufferBytesMax, largeMessagesBytesMax } = limits;
  if (largeMessagesBytesMax < messageBytesMax) {
    const rule = `must be at least ${prefix}messageBytesMax (${messageBytesMax})`;
    failOptions(`${prefix}largeMessagesBytesMax ${rule}, got ${largeMessagesBytesMax}`);
  }
  if (writeBufferBytes > writeBufferBytesMax) {
    const rule = `must be at most ${prefix}writeBufferBytesMax (${writeBufferBytesMax})`;
    failOptions(`${prefix}writeBufferBytes ${rule}, got ${writeBufferBytes}`);
  }
  return limits;
}
