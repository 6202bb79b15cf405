/** How servers refuse a request for one of its members: with what status, and what they say. */
type Refused = readonly (readonly [whose: string, status: number, said: unknown])[];

export const STREAM_OPTIONS_REFUSED: Refused = [
  ['by name', 400, { error: { message: 'stream_options is not supported', type: 'invalid_request_error' } }],
  ['by param', 400, { error: { message: 'Invalid value', param: 'stream_options' } }],
  [
    'of pydantic',
    422,
    { detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }] },
  ],
  ['as a text', 400, { error: 'unknown field: stream_options.include_usage' }],
  ['as a fault of its own', 500, { error: { message: "unexpected keyword argument 'stream_options'" } }],
  ['in a stream', 200, { error: { message: 'stream_options is not supported', code: 400 } }],
  ['without a name', 400, { error: { message: 'Unrecognized request argument supplied' } }],
  ['without a word', 400, ''],
  ['in one word', 400, { error: { message: 'Bad Request' } }],
];

/** Of a stream itself: the `error` of each. */
export const STREAM_REFUSED: Refused = [
  ['of a member', 400, { message: 'logprobs is not supported with tools + stream', code: 400 }],
  ['of tools', 500, { message: 'Cannot use tools with stream' }],
  ['of all streams', 501, { message: 'Streaming is not implemented' }],
  ['of a value', 422, { message: 'stream must be false' }],
  ['by its name', 400, { message: 'Invalid value: true', param: 'stream' }],
  ['in a stream', 200, { message: "this model doesn't stream", code: 400 }],
];
