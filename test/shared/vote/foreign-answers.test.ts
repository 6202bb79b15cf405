import { expect, test } from 'vitest';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';

/** Answers in the language of the game, which are asked for a number and say it in a sentence. */
const ACTIONS = ['attack', 'block', 'retreat'];

function voteIn(answer: string, actions: readonly string[] = ACTIONS): string {
  const parsed = parseVote(answer, actions);
  return parsed.kind === 'vote' ? parsed.vote.action : parsed.kind;
}

test.each([
  'Ich wähle 2.',
  'Ich wähle Option 2.',
  'Option 2 ist am besten.',
  'Antwort: 2',
  'Aktion: 2',
  'Aktion 2',
  'Meine Wahl: 2',
  'Meine Wahl ist 2.',
  'Nummer 2',
  'Nr. 2',
  'Die beste Aktion ist 2.',
  'Die Antwort lautet: 2',
  'Ich würde mich für 2 entscheiden.',
  'Ich entscheide mich für Aktion 2, weil es sicher ist.',
  'Je choisis 2.',
  "Je choisis l'option 2.",
  'Je choisis l’action n° 2.',
  'Réponse : 2',
  'Réponse: 2',
  'Mon choix : 2',
  "L'action 2",
  'Numéro 2',
  'Le choix est 2.',
  'La meilleure action est la 2.',
  'N°2',
  'La réponse est 2.',
  'Elijo 2.',
  'Elijo la 2.',
  'Opción 2',
  'La opción 2',
  'Respuesta: 2',
  'La respuesta es 2.',
  'Acción: 2',
  'Acción 2',
  'Mi elección es 2.',
  'Número 2',
  'Elijo el número 2 porque es seguro.',
  'Scelgo 2.',
  "Scelgo l'opzione 2.",
  'La risposta è 2',
  'Risposta: 2',
  'Azione: 2',
  'Numero 2',
  'La mia scelta è 2.',
  'Escolho 2.',
  'Escolho a opção 2.',
  'Resposta: 2',
  'Ação 2',
  'A resposta é 2.',
  'Minha escolha: 2',
  'Я выбираю 2.',
  'Мой выбор: 2',
  'Мой выбор — 2.',
  'Ответ: 2',
  'Вариант 2',
  'Действие 2',
  'Действие: 2',
  'Выбираю вариант 2.',
  'Номер 2',
  '選択肢2を選びます。',
  '選択肢2',
  '2を選びます。',
  '2番',
  '2番を選びます。',
  '答え：2',
  '答えは2です。',
  '行動2',
  '私は2を選択します。',
  '回答：2',
  '選択：2',
  '我选择2。',
  '我的选择是：2。因为安全。',
  '我的选择是2',
  '答案：2',
  '答案是2',
  '选项2',
  '选2',
  '我选2号',
  '行动2',
  '动作：2',
  '回答：2',
  '第2项',
  '最佳选择是2',
  '選擇2',
  '選項2',
  '我選擇2。',
  '我會選擇第2個選項。',
  '2번',
  '2번을 선택합니다.',
  '선택: 2',
  '답: 2',
  '정답: 2',
  '옵션 2',
  '행동 2를 선택합니다.',
  '저는 2를 선택하겠습니다.',
  'Wybieram 2.',
  'Odpowiedź: 2',
  'Opcja 2',
  'Ik kies 2.',
  'Optie 2',
  'Antwoord: 2',
  'Keuze: 2',
  'Seçenek 2',
  'Cevap: 2',
  'Jag väljer 2.',
  'Svar: 2',
  'الإجابة: 2',
  'أختار 2',
  'الخيار 2',
  'विकल्प 2',
  'Lựa chọn 2',
  'Tôi chọn 2.',
  'Pilihan 2',
  'Saya memilih 2.',
])('%j chooses the second action', (answer) => {
  expect(voteIn(answer)).toBe('block');
});

test.each([
  'Ich habe 2 Tränke.',
  'Es sind 2 Gegner in der Nähe.',
  'J’ai 2 potions.',
  'Hay 2 enemigos cerca.',
  'У меня 2 зелья.',
  '敵が2人います。',
  '有2个敌人。',
  '적이 2명 있습니다.',
  'I have 2 potions.',
  'There are 2 enemies.',
  'Ich wähle 2 Tränke.',
  'Я выбираю 2 зелья',
  'Elijo 2 pociones',
  'Nicht 2.',
  'No elijo 2',
  'Ich wähle nicht 2.',
  '不选择2',
  '我不选2。',
  'Je ne choisis pas 2.',
  'Я не выбираю 2.',
  '2を選びません。',
  '行动2次。',
  '回答2个问题。',
  'La respuesta es 2,5.',
  'Antwort: 20 %',
  'The die shows 2.',
  'Das Alternativprogramm 2.',
])('%j chooses nothing', (answer) => {
  expect(['none', 'illegal']).toContain(voteIn(answer));
});

test.each([
  ['Antwort: 2\nBegründung: attack ist zu gefährlich.', 'block'],
  ['Mi elección: 2\nPorque attack y retreat son peores.', 'block'],
  ['答案：2\n因为attack太危险。', 'block'],
  ['Ich wähle 2, weil attack zu gefährlich ist.', 'block'],
  ['Elijo 2 o 3.', 'ambiguous'],
  ['我选2或3', 'ambiguous'],
  ['Aktion 2 oder Aktion 3', 'ambiguous'],
  ['Aktion 9', 'illegal'],
  ['Nicht attack, sondern block.', 'block'],
  ['Pas attack, mais block.', 'block'],
  ['Не attack, а block', 'block'],
])('%j is %s', (answer, expected) => {
  expect(voteIn(answer)).toBe(expected);
});

test('a name that Chinese rejects is no vote', () => {
  const actions = ['攻击', '防御', '逃跑'];
  expect(voteIn('不要攻击，防御。', actions)).toBe('防御');
  expect(voteIn('不攻击', actions)).not.toBe('攻击');
  expect(voteIn('我选择攻击', actions)).toBe('攻击');
  // "Special", "have to".
  expect(voteIn('特别攻击', actions)).toBe('攻击');
  expect(voteIn('不得不攻击', actions)).toBe('攻击');
});

test('names that hold such words are found', () => {
  expect(voteIn('Wir sollten die Option ziehen', ['die Option ziehen', 'warten'])).toBe('die Option ziehen');
  expect(voteIn('danser un pas de deux', ['pas de deux', 'fuir'])).toBe('pas de deux');
});

test('a number in a name that is mentioned is no choice of its own', () => {
  expect(voteIn('Ich wähle Aktion 2.', ['warten', 'Aktion 1', 'Aktion 2'])).toBe('Aktion 2');
  expect(voteIn('I choose option 3 here', ['wait', 'option 3', 'flee'])).toBe('option 3');
  expect(voteIn('Ich wähle 2 (Aktion 1).', ['warten', 'Aktion 1', 'Aktion 2'])).toBe('Aktion 1');
});

test.each([['Ich wähle '], ['选择'], ['la '], ['a b c '], ['2 '], ['第2'], ['Nummer: '], ['— ']])(
  'a long text of %j takes no time that grows with its square',
  (piece) => {
    expect(['none', 'illegal', 'ambiguous', 'block']).toContain(voteIn(piece.repeat(20_000)));
  },
);
