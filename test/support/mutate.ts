import { pick, type Random, randomIndex } from '../../src/shared/random.ts';

const PIECES: readonly Buffer[] = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  'null',
  'true',
  '-1',
  '1e999',
  '0',
  '\\u0000',
  '\\ud800',
  '"__proto__":{"a":1},',
  '"constructor":{"prototype":{}},',
  '"toString":1,',
  '\r\n',
  '\0',
  ' '.repeat(200),
  '"agent":1,',
  '"timeoutMs":null,',
  '"x":',
]
  .map((piece) => Buffer.from(piece))
  .concat([Buffer.from([0xff]), Buffer.from([0xe2, 0x82]), Buffer.from([0xef, 0xbb, 0xbf]), Buffer.alloc(2_000, 0x5b)]);

/** One to four changes: bytes flipped, cut out, doubled, or pieces put in. */
export function mutate(random: Random, seed: Buffer): Buffer {
  let bytes = Buffer.from(seed);
  for (let left = 1 + randomIndex(random, 4); left > 0; left--) {
    const at = randomIndex(random, bytes.length + 1);
    const to = Math.min(bytes.length, at + 1 + randomIndex(random, 12));
    const [head, middle, tail] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    switch (randomIndex(random, 5)) {
      case 0:
        bytes = Buffer.concat([head, tail]);
        break;
      case 1:
        bytes = Buffer.concat([head, middle, middle, tail]);
        break;
      case 2:
        bytes = Buffer.concat([head, middle.map((byte) => byte ^ (1 << randomIndex(random, 8))), tail]);
        break;
      case 3:
        bytes = Buffer.concat([head]);
        break;
      default:
        bytes = Buffer.concat([head, pick(random, PIECES), middle, tail]);
    }
  }
  return bytes;
}
