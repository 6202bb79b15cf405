import { describe, expect, test } from 'vitest';
import { ActionNames, normalizeName } from '../../../src/shared/vote/action-names.ts';
import { asciiDigits } from '../../../src/shared/vote/numerals.ts';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';

function voteOf(answer: string, actions: readonly string[]): string {
  const parsed = parseVote(answer, actions);
  return parsed.kind === 'vote' ? parsed.vote.action : `[${parsed.kind}]`;
}

const HINDI = ['हमला', 'हमले से बचो', 'रुको'];
const THAI = ['โจมตี', 'ป้องกัน', 'ถอย'];
const VIETNAMESE = ['tấn công', 'phòng thủ', 'rút lui'];
/** In Vietnamese the tone alone parts these. */
const TONES = ['ma', 'má', 'mà', 'mả', 'mã', 'mạ'];

describe('names with marks', () => {
  test.each([
    ...[HINDI, THAI, VIETNAMESE, TONES].flatMap((actions) => actions.map((action) => [action, actions] as const)),
  ])('%s is chosen by its name, however it is composed', (action, actions) => {
    for (const form of ['NFC', 'NFD'] as const) {
      const name = action.normalize(form);
      for (const answer of [name, `**${name}**`, `Action: ${name}`, `${name} - because.`, `{"action": "${name}"}`]) {
        expect(voteOf(answer, actions), answer).toBe(action);
        expect(
          voteOf(
            answer,
            actions.map((each) => each.normalize('NFD')),
          ).normalize('NFC'),
          answer,
        ).toBe(action);
      }
    }
  });

  test('a name is no part of a longer word', () => {
    expect(voteOf('मैं हमलावर को देखता हूँ', ['हमला', 'रुको'])).toBe('[none]');
    expect(voteOf('I see mạnh', ['mạ', 'rút'])).not.toBe('mạ');
  });

  test('a running text names them', () => {
    expect(voteOf('मैं अभी हमला करूँगा', HINDI)).toBe('हमला');
    expect(voteOf('Tôi sẽ phòng thủ ngay bây giờ', VIETNAMESE)).toBe('phòng thủ');
  });

  test('the look of an emoji is no part of a name', () => {
    expect(voteOf('⚔ attack', ['⚔️ attack', '🛡️ block'])).toBe('⚔️ attack');
    expect(voteOf('2️⃣', ['attack', 'block'])).toBe('block');
    expect(normalizeName('⚔️ Attack')).toBe('attack');
  });
});

describe('actions that compose to the same', () => {
  const twins = ['caf\u00e9', 'cafe\u0301', 'bar'];

  test('are chosen by number only', () => {
    expect(voteOf('1', twins)).toBe(twins[0]);
    expect(voteOf('2\nIt is near.', twins)).toBe(twins[1]);
    expect(voteOf('{"choice": 2}', twins)).toBe(twins[1]);
    for (const name of twins.slice(0, 2)) {
      for (const answer of [name, `Action: ${name}`, `{"choice": "${name}"}`, `I go to the ${name}`]) {
        expect(voteOf(answer, twins), answer).toMatch(/^\[/);
      }
    }
    expect(voteOf('bar', twins)).toBe('bar');
  });
});

describe('numbers of other scripts', () => {
  const actions = ['attack', 'block', 'retreat'];

  test.each(['２', '٢', '۲', '२', '๒', '၂', '𝟐', '２．', '（２）', '２。', '٢)', '0２'])('%s is 2', (number) => {
    const sentence = 'It is the safest of all.';
    for (const answer of [number, `${number}\n${sentence}`, `Action: ${number}`, `{"choice": "${number}"}`]) {
      expect(voteOf(answer, actions), answer).toBe('block');
    }
  });

  test('have their values', () => {
    expect(asciiDigits('٠١٢٣٤٥٦٧٨٩ ０１２３４５６７８９ 𝟎𝟗𝟘𝟡 ²')).toBe('0123456789 0123456789 0909 ²');
  });

  test('are quantities where they are', () => {
    expect(voteOf('２．５', actions)).not.toBe('block');
    expect(voteOf('٢٪', actions)).not.toBe('block');
  });

  test('are names where actions are called so', () => {
    const numerals = ['١', '٢', '٣'];
    expect(ActionNames.of(numerals).numbered).toBe(false);
    for (const name of numerals) expect(voteOf(name, numerals)).toBe(name);
    expect(voteOf('2', numerals)).toBe('٢');
  });

  test('stand for each other in names', () => {
    expect(voteOf('باب 2', ['باب ١', 'باب ٢'])).toBe('باب ٢');
  });
});
