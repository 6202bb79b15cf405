import { z } from 'zod';

/** How planners are reached over HTTP. */
export interface HttpFaceOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** The address to listen at. Default `127.0.0.1`: this machine alone. */
  readonly host?: string | undefined;
}

/** The shape of `HttpFaceOptions`, also in configuration files. */
export const httpFaceSchema = z.strictObject({
  port: z.number().int().min(0).max(65_535),
  host: z.string().min(1).optional(),
});

export interface ResolvedHttpOptions {
  readonly port: number;
  readonly host: string;
}

export function resolveHttpOptions(options: HttpFaceOptions): ResolvedHttpOptions {
  return { port: options.port, host: options.host ?? '127.0.0.1' };
}
