import { expect, test } from 'vitest';
import { httpStatusOf, openAIError, retryAfterOf } from '../../../src/main/chat/chat-error.ts';
import { ERROR_CODES, type ErrorCode, PlannerError } from '../../../src/shared/errors.ts';

test.each([
  ['ERR_REQUEST_INVALID', 400, 'invalid_request_error'],
  ['ERR_UNAUTHORIZED', 401, 'authentication_error'],
  ['ERR_MODEL_INVALID_ID', 404, 'invalid_request_error'],
  ['ERR_MESSAGE_TOO_LARGE', 413, 'invalid_request_error'],
  ['ERR_PLANNER_OVERLOADED', 429, 'rate_limit_error'],
  ['ERR_INTERNAL', 500, 'server_error'],
  ['ERR_MODEL_RESET', 502, 'server_error'],
  ['ERR_MODEL_OVERLOADED', 503, 'server_error'],
  ['ERR_ENDPOINT_RESTING', 503, 'server_error'],
  ['ERR_MODEL_TIMEOUT_CONNECT', 504, 'server_error'],
] as const)('%s is a %i', (code, status, type) => {
  const error = new PlannerError(code, 'why');
  expect(httpStatusOf(error)).toBe(status);
  expect(openAIError(error)).toEqual({ error: { message: 'why', type, code, param: null } });
});

test('every code has a status that is an error, and those that pass are asked for again', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const status = httpStatusOf({ code });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
  }
  expect([429, 503, 400, 504].map(retryAfterOf)).toEqual([1, 1, undefined, undefined]);
});

test('a model that there is not is named as OpenAI names it', () => {
  const { error } = openAIError(new PlannerError('ERR_MODEL_MISSING', 'why'));
  expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
});

test('a refusal is told in the words of its server', () => {
  const error = new PlannerError('ERR_MODEL_REJECTED', '400 too long');
  const said = {
    message: 'too long',
    type: 'invalid_request_error',
    code: 'context_length_exceeded',
    param: 'messages',
  };
  const refusal = { status: 413, error: said };
  expect([httpStatusOf(error, refusal), openAIError(error, refusal)]).toEqual([413, { error: said }]);
  const bare = { status: 400, error: 'too long' };
  expect(openAIError(error, bare).error).toMatchObject({ message: '400 too long', code: 'ERR_MODEL_REJECTED' });
});

test.each([401, 403])('a server that refuses the key of the gateway (%i) is no fault of the client', (status) => {
  const error = new PlannerError('ERR_MODEL_REJECTED', 'key sk-123 is wrong');
  const refusal = { status, error: { message: 'wrong key sk-123', code: 'invalid_api_key' } };
  expect(httpStatusOf(error, refusal)).toBe(502);
  expect(openAIError(error, refusal).error).toMatchObject({ type: 'server_error', code: 'ERR_MODEL_REJECTED' });
});
