interface Prompt {
  readonly messages?: unknown;
  readonly tools?: unknown;
}

/** Number of characters that a model reads for a chat request: its messages and tools. Undefined if there is more than text. */
export function promptChars({ messages, tools }: Prompt): number | undefined {
  let chars = tools === undefined ? 0 : JSON.stringify(tools).length;
  for (const message of Array.isArray(messages) ? messages : []) {
    const content = (message as { content?: unknown } | null)?.content;
    if (typeof content === 'string') chars += content.length;
    if (!Array.isArray(content)) continue;
    for (const part of content) {
      if (typeof part?.text !== 'string') return undefined;
      chars += part.text.length;
    }
  }
  return chars;
}
