/** What the fault server reads of a chat request. */
export interface ChatBody {
  readonly model: string;
  readonly isStreamed: boolean;
  readonly wantsJson: boolean;
  /** Whether it asks for the tokens. */
  readonly hasStreamOptions: boolean;
  /** The text of all messages, whatever they are made of. */
  readonly text: string;
}

export function readChatBody(json: string): ChatBody {
  const { messages, model, stream, stream_options, response_format } = JSON.parse(json) as {
    messages: { content: string | { text?: string }[] }[];
    model: string;
    stream?: boolean;
    stream_options?: unknown;
    response_format?: { type?: string };
  };
  const text = messages
    .map(({ content }) => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n')))
    .join('\n');
  return {
    model,
    isStreamed: stream === true,
    wantsJson: response_format?.type === 'json_schema',
    hasStreamOptions: stream_options !== undefined,
    text,
  };
}
