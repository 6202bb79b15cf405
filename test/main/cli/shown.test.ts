import { describe, expect, test } from 'vitest';
import { failureLines } from '../../../src/main/cli/cli-error.ts';
import { table } from '../../../src/main/cli/terminal/text.ts';
import { PlannerError } from '../../../src/shared/errors.ts';
import { shown, shownInLine } from '../../../src/shared/shown-text.ts';

const EVIL = '\u001b]0;owned\u0007\u001b[2Jm\u009b31m\u0085\u202ex\r\u2028';

describe('what others say, at the terminal', () => {
  test('is shown and not obeyed', () => {
    expect(shown(EVIL)).toBe(String.raw`\u001b]0;owned\u0007\u001b[2Jm\u009b31m\u0085\u202ex\u000d\u2028`);
    expect(shown('żółw 🐢 日本\n\tx')).toBe('żółw 🐢 日本\n\tx');
    expect(shownInLine('a\nb\tc')).toBe(String.raw`a\nb\tc`);
  });

  test('in a cell of a table stays in its line', () => {
    expect(
      table([
        ['a', `b\n${EVIL}`],
        ['cc', 'd'],
      ]),
    ).toMatch(/^a {3}b\\n\\u001b[^\n]*\ncc {2}d$/);
  });

  test('in an error', () => {
    const lines = failureLines(new PlannerError('ERR_MODEL_MISSING', `no model ${EVIL}`), false);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(lines).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(lines.split('\n')).toHaveLength(3);
  });
});
