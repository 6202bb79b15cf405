import { describe, expect, it } from 'vitest';
import { ReplyReader, type SocketReply } from '../../../../src/main/cluster/engine/reply-reader.ts';

function allOf(reader: ReplyReader): SocketReply[] {
  const replies: SocketReply[] = [];
  for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  return replies;
}

function texts(replies: readonly SocketReply[]): unknown[] {
  return replies.map((reply) => (reply instanceof Error ? reply.message : reply.map(String)));
}

const SENT =
  '+PONG\r\n*3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n-ERR no\r\n*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$6\r\na\r\n-b$\r\n$0\r\n\r\n*0\r\n';
const READ = [['PONG'], ['ssubscribe', 'c', '1'], 'ERR no', ['smessage', 'c', 'a\r\n-b$'], [''], []];

describe('what an engine sends', () => {
  it('is read as replies, whatever bytes they contain', () => {
    const reader = new ReplyReader();
    reader.add(Buffer.from(SENT));
    expect(texts(allOf(reader))).toEqual(READ);
  });

  it('may arrive in two parts, cut anywhere, or in single bytes', () => {
    for (let cut = 0; cut <= SENT.length; cut++) {
      const reader = new ReplyReader();
      reader.add(Buffer.from(SENT.slice(0, cut)));
      const replies = allOf(reader);
      reader.add(Buffer.from(SENT.slice(cut)));
      expect(texts([...replies, ...allOf(reader)])).toEqual(READ);
    }
    const reader = new ReplyReader();
    const replies = [...SENT].flatMap((byte) => {
      reader.add(Buffer.from(byte));
      return allOf(reader);
    });
    expect(texts(replies)).toEqual(READ);
  });

  it.each([
    ['a web server', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a list without end', '*100000\r\n'],
    ['a string that fills the memory', '$99999999999\r\n'],
    ['a length that is none', '$x\r\n'],
    ['something absent', '$-1\r\n'],
  ])('is refused from %s', (_, sent) => {
    const reader = new ReplyReader();
    reader.add(Buffer.from(sent));
    expect(() => reader.next()).toThrow('not the protocol of Redis');
  });
});
