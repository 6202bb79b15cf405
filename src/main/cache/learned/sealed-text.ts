/** The first line of a file of learned things: what the file is, and the checksum of the rest. */
export interface SealFormat {
  /** What is in the file, in its first line and in messages. */
  readonly noun: string;
  /** Increases when values change their meaning. */
  readonly version: number;
}

/** Maximum size of the first line. */
export const SEAL_BYTES_MAX = 200;

/** The first line, without its end. */
export function sealOf({ noun, version }: SealFormat, sha256: string): string {
  return JSON.stringify({ format: `conclave ${noun}`, version, sha256 });
}

/** What is wrong with a first line, if `sha256` is the checksum of the rest; undefined if nothing is. */
export function faultOfSeal(seal: string, { noun, version }: SealFormat, sha256: string): string | undefined {
  const header = jsonIn(seal) as { format?: unknown; version?: unknown; sha256?: unknown } | null | undefined;
  if (header?.format !== `conclave ${noun}`) return 'it holds something else';
  if (header.version !== version) return `it is of version ${JSON.stringify(header.version)}, not ${version}`;
  return header.sha256 === sha256 ? undefined : 'it is damaged';
}

/** Undefined if the text is none of JSON. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
