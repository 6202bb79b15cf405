/** The nature of an action, guessed from the words of its name alone. */
export type ActionNature = 'heal' | 'guard' | 'flee' | 'strike' | 'move' | 'talk' | 'gain' | 'rest' | 'leave' | 'other';

const NATURES: readonly (readonly [ActionNature, RegExp])[] = [
  ['heal', /\b(heal|healing|potion|bandage|cure|repair|recharge|eat)\b/],
  ['flee', /\b(retreat|flee|run away|escape|back off|backward|withdraw|fall back)\b/],
  ['guard', /\b(block|dodge|defend|parry|shield|hide|sneak|brake|stop|cover)\b/],
  ['leave', /\b(leave|close|exit|end|goodbye|cancel|pass|no)\b/],
  ['rest', /\b(rest|sleep|wait|stay|idle|noop|nothing|sit)\b/],
  ['strike', /\b(attack|strike|bash|shoot|fight|kill|cast|hit|slash|charge|fire)\b/],
  [
    'gain',
    /\b(loot|take|pick|collect|gather|buy|sell|search|open chest|harvest|accept|quest|activate|equip|trade|interact)\b/,
  ],
  ['talk', /\b(talk|ask|persuade|greet|speak|tell|say|answer|listen|dialogue)\b/],
  [
    'move',
    /\b(move|walk|go|explore|travel|enter|navigate|step|forward|look|turn|climb|open|jump|path|north|south|east|west|ahead)\b/,
  ],
];

export function natureOf(action: string): ActionNature {
  const words = action
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ');
  for (const [nature, pattern] of NATURES) if (pattern.test(words)) return nature;
  return 'other';
}
