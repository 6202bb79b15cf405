/**
 * Finds the number of a choice in answers that are not in English: "Opción 2", "Ich wähle 2.", "答案：2", "2번을 선택합니다". Games in other
 * languages are answered in them. The words stand for a choice among listed things, so that the number is one of the list and no quantity.
 */
export const CHOICE_NOUNS: string = [
  // German, Dutch, Swedish, Danish, Norwegian
  'a[kc]tion|option|(?:aus)?wahl|antwort|nummer|nr\\.?|möglichkeit|entscheidung|optie|actie|keuze|antwoord|alternativ|val|valg|svar',
  // French, Spanish, Portuguese, Italian
  'choix|réponse|numéro|n[°º]|décision|opción|acción|elección|respuesta|número|decisión',
  'opção|ação|escolha|resposta|decisão|opzione|azione|scelta|risposta|numero|decisione',
  // Russian, Ukrainian, Polish, Turkish, Indonesian, Vietnamese, Arabic, Hindi
  'вариант|действие|выбор|ответ|номер|решение|варіант|вибір|відповідь|opcj[aęe]|akcj[aęe]|wybór|odpowiedź',
  'seçenek|seçimim?|cevap|cevabım|yanıt|pilihan|jawaban|tindakan|lựa chọn|đáp án|hành động|phương án',
  '(?:ال)?(?:خيار|إجابة|اختيار|إجراء)|विकल्प|उत्तर',
  // Chinese, Japanese, Korean
  '选项|选择|答案|回答|动作|行动|編號|编号|選項|選擇|動作|選択肢|選択|答え|行動|番号|アクション|オプション|선택지|선택|정답|답변|답|옵션|행동|번호',
].join('|');

const VERBS = [
  'wähle|nehme|entscheide mich für|würde mich für|kies|väljer|vælger|velger|wybieram|выбираю|выберу|выбрал бы|обираю',
  'choisis|choisirais|prends|opte pour|elijo|elegiría|escojo|selecciono|opto por|escolho|seleciono|scelgo|sceglierei|opto per',
  'memilih|pilih|chọn|أختار|اختار|[选選](?:择|擇|用|了)?',
].join('|');

/** What stands between the word and the number: a copula, a colon, an article. */
const COPULA =
  '(?:\\s*[=—–-]|\\s*(?:ist|lautet|wäre|est|es|sería|é|è|sarebbe|jest|är|er|adalah|là|هو|هي|है)(?=[\\s:：])|\\s*[はが是为為는은])?\\s*[:：]?';
const ARTICLE = '(?:\\s*(?:l[ae]|el|il|die|de|a|nummer|numero|número|numéro|номер|n[°º]|第)(?=[\\s\\p{Nd}]))?';
const NUMBER = '[\\s*_"\'«„“(（「『【]{0,3}[#＃]?(\\p{Nd}{1,6})(?!\\p{Nd}|[.,．，]\\p{Nd}|\\s?[%％])';
/** "2 oder 3" names both. */
const OR = '(?:oder|of|eller|ou|o|lub|или|або|veya|atau|hoặc|أو|या)(?![\\p{L}\\p{M}])|[或和]|または|또는';
const SECOND = `(?:\\s*(?:[,/、&]|${OR})\\s*#?(\\p{Nd}{1,6})(?!\\p{Nd}|\\s?[%％]))?`;
/** Any other word after the number would be what is counted: "Ich wähle 2 Tränke", "行动2次". */
const NOTHING_COUNTED = [
  OR,
  '$|[^\\s\\p{L}\\p{M}\\p{N}]',
  '(?:weil|da|ist|entscheiden|est|parce|car|es|porque|pois|ya que|perché|è|потому|так как|omdat|karena|vì)(?![\\p{L}\\p{M}])',
  '[をだ番号號项項因を을를번로입]|です|[个個](?:[选選動动行]|\\s|$)',
].join('|');
const LETTER = '[\\p{L}\\p{M}]';
/** Han has no spaces between words. */
const START = `(?:(?<!${LETTER})|(?<=\\p{Script=Han}))`;

/** One of the groups is the number. Not only before the verb: Japanese, Korean and Turkish have it at the end. */
export const FOREIGN_NUMBER = new RegExp(
  [
    `${START}(?:${CHOICE_NOUNS}|${VERBS})${COPULA}${ARTICLE}${NUMBER}${SECOND}(?=\\s*(?:${NOTHING_COUNTED}))`,
    "(?<![\\p{Nd}.,])(\\p{Nd}{1,6})(?:番目?|号|번|['’]?\\p{L}{1,3}\\s)?[を을를로]?\\s?(?:選[ぶ択]|選び(?!ませ)|선택(?!하지)|seç)",
    '(?:^|第)\\s*(\\p{Nd}{1,6})\\s?(?:(?:番|번|号|號)(?:です|입니다)?[。.!]?\\s*$|[项項]|[个個](?:选项|選項|动作|動作))',
  ].join('|'),
  'giu',
);

/** "Antwort: 2", "Meine Wahl: 2", "我的答案：2", where a line starts. */
export const FOREIGN_LABEL: string = `(?:${LETTER}{1,15}[ \\t]+){0,3}(?:我的|私の)?(?:${CHOICE_NOUNS})[ \\t*_"']*[:=：]`;

/** What stands before a name or a number that is rejected. */
export const FOREIGN_NEGATION: string =
  'nicht|keine?n?|ohne|statt|anstatt|pas|sans|plutôt que|au lieu de|en lugar de|en vez de|invece di|senza|em vez de|não|не|без|вместо|niet|geen|inte|ikke';
