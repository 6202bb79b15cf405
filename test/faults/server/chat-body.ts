/** What the fault server reads of a chat request. */
export interface ChatBody {
  readonly model: string;
  readonly isStreamed: boolean;
  readonly wantsJson: boolean;
  /** The text of all messages, whatever they are made of. */
  readonly text: string;
}

export function readChatBody(json: string): ChatBody {
  const { messages, model, stream, response_format } = JSON.parse(json) as {
    messages: { content: string | { text?: string }[] }[];
    model: string;
    stream?: boolean;
    response_format?: { type?: string };
  };
  const text = messages
    .map(({ content }) => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n')))
    .join('\n');
  return { model, isStreamed: stream === true, wantsJson: response_format?.type === 'json_schema', text };
}
