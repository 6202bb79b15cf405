import type { Peer, PeerEnd } from '../../src/main/faces/ipc/peer.ts';

interface Call {
  readonly id: string;
  readonly path: readonly string[];
  readonly argumentList: readonly { readonly value: unknown }[];
}

/** A planner's thread or process that does what a test says. Clones what is posted, as a real channel does. */
export class FakePeer implements Peer {
  readonly name = 'thread';
  readonly sharesClock: boolean;
  readonly posted: unknown[] = [];
  isHeld = true;
  leaves = 0;
  kills = 0;
  readonly #ended = Promise.withResolvers<PeerEnd>();
  #hear: (message: unknown) => void = () => {};

  constructor(sharesClock = true) {
    this.sharesClock = sharesClock;
  }

  get ended(): Promise<PeerEnd> {
    return this.#ended.promise;
  }

  post(message: unknown): void {
    this.posted.push(structuredClone(message));
  }

  listen(hear: (message: unknown) => void): void {
    this.#hear = hear;
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
  }

  leave(): void {
    this.leaves++;
  }

  kill(): void {
    this.kills++;
  }

  /** Says something to the host. */
  say(message: unknown): void {
    this.#hear(structuredClone(message));
  }

  end(end: PeerEnd): void {
    this.#ended.resolve(end);
  }

  /** The calls of a method, in order. */
  calls(method: string): Call[] {
    return this.posted.filter((message): message is Call => (message as Partial<Call>).path?.join('.') === method);
  }

  /** The arguments of the nth call of a method. */
  asked(method: string, nth = 0): Record<string, unknown> {
    return this.calls(method)[nth]?.argumentList[0]?.value as Record<string, unknown>;
  }

  reply(method: string, reply: unknown, nth = 0): void {
    this.say({ id: this.calls(method)[nth]?.id, type: 'RAW', value: reply });
  }

  /** What was said beside the calls, without the start. */
  own(): unknown[] {
    return this.posted.filter(
      (message) => 'kind' in (message as object) && (message as { kind: string }).kind !== 'start',
    );
  }
}
