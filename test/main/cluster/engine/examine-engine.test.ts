import { expect, it } from 'vitest';
import { connectionHint, examineEngine, refusalOf } from '../../../../src/main/cluster/engine/examine-engine.ts';
import { functionLibrary } from '../../../../src/main/cluster/engine/function-library.ts';
import type { EngineLink } from '../../../../src/main/cluster/engine/redis-link.ts';

it.each([
  ['Redis', 'redis_version:7.0.15\r\nredis_mode:sentinel\r\n'],
  ['Valkey', 'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nserver_mode:sentinel\r\n'],
])('says that it is a Sentinel of %s', async (_, info) => {
  const link = { send: async () => Buffer.from(info) } as unknown as EngineLink;
  await expect(examineEngine(link, functionLibrary([]), 'probe')).rejects.toMatchObject({
    code: 'ERR_CLUSTER_REFUSED',
    message: 'it is a Sentinel: the URL needs the address of the primary, or of a proxy that follows it',
  });
});

it.each([
  "NOPERM this user has no permissions to run the 'select' command",
  "ERR The user executing the script can't run this command or subcommand script: f, on @user_function:5.",
  "ERR ACL failure in script: User bob has no permissions to run the 'time' command script: f, on @user_function:5.",
])('says that a right is missing, at Redis and at Valkey: %s', (reply) => {
  expect(refusalOf('a function', new Error(reply))).toMatchObject({
    code: 'ERR_CLUSTER_REFUSED',
    message: expect.stringMatching(/^the URL's user may not use a command/),
  });
});

const WITH = /the URL begins with rediss:/;
const WITHOUT = /the URL begins with redis:/;
const AUTHORITY = /NODE_EXTRA_CA_CERTS names a file/;

it.each([
  ['redis://h', 'Socket closed unexpectedly', WITH],
  ['redis://h', 'read ECONNRESET', WITH],
  ['redis://h', 'connect ECONNREFUSED 127.0.0.1:1', /^$/],
  ['rediss://h', 'Connection timeout', WITHOUT],
  ['rediss://h', 'write EPROTO … wrong version number', WITHOUT],
  ['rediss://h', 'connect ECONNREFUSED 127.0.0.1:1', /^$/],
  ['rediss://h', 'self-signed certificate', AUTHORITY],
  ['rediss://h', 'self-signed certificate in certificate chain', AUTHORITY],
  ['rediss://h', 'unable to verify the first certificate', AUTHORITY],
  ['rediss://h', 'unable to get local issuer certificate', AUTHORITY],
  ['rediss://h', "Hostname/IP does not match certificate's altnames: IP: ::1 is not in the cert's list", /^$/],
  ['rediss://h', 'certificate has expired', /^$/],
  ['rediss://h', 'ssl3_read_bytes:tlsv13 alert certificate required', /set tls-auth-clients no there/],
  ['rediss://h', 'Unknown RESP type 72 "H"', /another protocol than Redis/],
])('tells of %s and "%s" what may have to be done', (url, message, hint) => {
  expect(connectionHint(url, message)).toMatch(hint);
});
