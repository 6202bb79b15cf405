/** Decimal digits of any script: ASCII, full-width, Arabic, Devanagari. */
const OTHER_DIGIT = /(?![0-9])\p{Nd}/gu;
const DIGIT = /\p{Nd}/u;
const values = new Map<string, string>();

/** Returns a text with its digits in ASCII. */
export function asciiDigits(text: string): string {
  return text.replace(OTHER_DIGIT, (digit) => {
    const known = values.get(digit);
    if (known !== undefined) return known;
    const value = String(digitValue(digit.codePointAt(0) as number));
    values.set(digit, value);
    return value;
  });
}

/** Returns the value of a digit. Unicode has the digits of a script in a row, from zero to nine. */
function digitValue(codePoint: number): number {
  let zero = codePoint;
  while (DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return (codePoint - zero) % 10;
}
