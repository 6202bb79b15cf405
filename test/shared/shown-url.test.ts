import { expect, test } from 'vitest';
import { shownURL } from '../../src/shared/shown-url.ts';

test.each([
  ['http://localhost:1234/v1', 'http://localhost:1234/v1'],
  ['http://localhost:1234', 'http://localhost:1234'],
  ['http://[::1]:8080/v1/', 'http://[::1]:8080/v1/'],
  [
    'https://gw.example/openai/deployments/gpt-4o-mini-2024-07-18/v1',
    'https://gw.example/openai/deployments/gpt-4o-mini-2024-07-18/v1',
  ],
  ['http://h/v1?api_key=SECRET', 'http://h/v1?api_key=[hidden]'],
  ['http://h/v1?a=1&sig=SECRET#x', 'http://h/v1?a=[hidden]&sig=[hidden]'],
  ['http://h/v1?SECRET0123456789SECRET', 'http://h/v1?[hidden]=[hidden]'],
  ['http://h/sk-SECRET0123/v1', 'http://h/[hidden]/v1'],
  ['http://h/token=SECRET0123/v1', 'http://h/[hidden]/v1'],
  ['http://h/SECRET01SECRET01SECRET01/v1', 'http://h/[hidden]/v1'],
  ['http://h/%53ECRET01SECRET01SECRET01/v1', 'http://h/[hidden]/v1'],
  ['http://h/0b0e7a9c-5d3f-4c52-9a51-3d0c2f1e6a77/v1', 'http://h/[hidden]/v1'],
  ['http://user:SECRET@h/v1', 'http://[hidden]@h/v1'],
  ['no URL but a SECRET', '[hidden]'],
])('%s is shown without what is secret', (url, shown) => {
  expect(shownURL(url)).toBe(shown);
});
