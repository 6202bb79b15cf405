import { globSync, readFileSync } from 'node:fs';

const TESTS = new URL('../../', import.meta.url);
const LITERAL = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\$\n]|\\.|\$(?!\{))*`/g;

/** Every text that stands in these tests, as in their tables of answers: new rows are found without being listed anywhere. */
export function textsOf(pattern: string): readonly string[] {
  const texts = new Set<string>();
  for (const file of globSync(pattern, { cwd: TESTS })) {
    const code = readFileSync(new URL(file, TESTS), 'utf8').replace(/^\s*(?:import\b.*|\/\/.*|\/?\*.*)$/gm, '');
    for (const [literal] of code.matchAll(LITERAL)) texts.add(textOf(literal));
  }
  return [...texts].filter((text) => text !== '');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', b: '\b', f: '\f', v: '\v' };

function textOf(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(?:u\{([\da-f]+)\}|u([\da-f]{4})|x([\da-f]{2})|([\s\S]))/gi, (_, long, four, two, one) => {
      const code = long ?? four ?? two;
      return code === undefined ? (ESCAPES[one] ?? one) : String.fromCodePoint(Number.parseInt(code, 16));
    });
}
