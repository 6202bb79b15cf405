import { z } from 'zod';
import { checkOptions } from '../../../shared/check-options.ts';
import { PlannerError } from '../../../shared/errors.ts';
import { FACE_BYTES } from '../byte-budget.ts';

/** What one client may cost. Also of the face on standard input, which has one client. */
export interface RpcLimits {
  /**
   * Bytes of one line. Default 24 MiB: a picture may have 16 MB of base64, and a line that says where it ends is held once
   * while it comes. A longer one is answered with ERR_MESSAGE_TOO_LARGE and ends the connection.
   */
  readonly messageBytesMax?: number;
  /**
   * Bytes of all lines over 64 KiB together, of all clients of the face, from their first byte until they are answered; at the bound
   * the slowest of those that are coming is dropped with ERR_PLANNER_OVERLOADED. At least `messageBytesMax`. Default: 128 MiB, or four
   * times `messageBytesMax`.
   */
  readonly largeMessagesBytesMax?: number;
  /**
   * Plans of one client in flight, and calls of one batch. Default 256, a quarter of the planner's `maxInFlight`: one client
   * cannot fill it. At the bound nothing more is read from the client until a plan settles, so at least 2: a plan, and room
   * for its cancel.
   */
  readonly callsMax?: number;
  /** Bytes of answers that wait for the client, above which nothing more is read from it. Default 1 MiB. */
  readonly writeBufferBytes?: number;
  /** Bytes of answers that wait for the client, above which it is closed with ERR_CLIENT_SLOW. Default 32 MiB. */
  readonly writeBufferBytesMax?: number;
  /**
   * How long a client may take no answer while more than `writeBufferBytes` wait for it, milliseconds; then it is closed
   * with ERR_CLIENT_SLOW. Default 10,000.
   */
  readonly slowClientMs?: number;
}

export interface SocketFaceOptions extends RpcLimits {
  /** Of the Unix socket, or of the named pipe on Windows: `\\.\pipe\NAME`. */
  readonly path: string;
  /** Clients at once; one more is told ERR_CLIENT_LIMIT and let go. Default 1,024. */
  readonly connectionsMax?: number;
}

export type ResolvedRpcLimits = Required<RpcLimits>;
export type ResolvedSocketFace = Required<SocketFaceOptions>;

/** A line must also fit into a string. */
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

/** Of the face on standard input. */
const rpcLimitsSchema = z.strictObject(limitsShape);
/** For whoever composes the options of several faces: the command line, a configuration file. */
export const socketFaceSchema = z.strictObject({
  path: z.string().min(1),
  connectionsMax: count.optional(),
  ...limitsShape,
});

const MEBIBYTE = 2 ** 20;

/** Checks and completes. Throws ERR_OPTIONS_INVALID, naming `socket.KEY`. */
export function resolveSocketFace(options: SocketFaceOptions): ResolvedSocketFace {
  const { path, connectionsMax, ...limits } = checkOptions(socketFaceSchema, options, 'socket.');
  return { path, connectionsMax: connectionsMax ?? 1_024, ...completed(limits, 'socket.') };
}

/** Checks and completes. Throws ERR_OPTIONS_INVALID, naming `stdio.KEY`. */
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
    throw new PlannerError(
      'ERR_OPTIONS_INVALID',
      `${prefix}largeMessagesBytesMax ${rule}, got ${largeMessagesBytesMax}`,
    );
  }
  if (writeBufferBytes > writeBufferBytesMax) {
    const rule = `must be at most ${prefix}writeBufferBytesMax (${writeBufferBytesMax})`;
    throw new PlannerError('ERR_OPTIONS_INVALID', `${prefix}writeBufferBytes ${rule}, got ${writeBufferBytes}`);
  }
  return limits;
}
