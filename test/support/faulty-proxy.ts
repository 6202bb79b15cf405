import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What becomes of the traffic: `pass` carries it; `slow` carries it later; `stall` keeps connections open and carries nothing;
 * `cut` ends connections and takes no new ones; `half-open` ends them on the far side alone, so that the near side hears nothing more.
 */
export type ProxyMode = 'pass' | 'slow' | 'stall' | 'cut' | 'half-open';

/** A TCP proxy on the loopback whose traffic a test can disturb. */
export class FaultyProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [near: Socket, far: Socket]>();
  #mode: ProxyMode = 'pass';
  /** Delay of each part of the traffic while it is `slow`, in milliseconds. */
  slowMs = 100;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#carry(near));
  }

  static async open(target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  set mode(mode: ProxyMode) {
    this.#mode = mode;
    for (const [near, far] of this.#pairs) {
      if (mode === 'cut') near.destroy();
      if (mode === 'cut' || mode === 'half-open') far.destroy();
      if (mode === 'stall') {
        near.pause();
        far.pause();
      } else {
        near.resume();
        far.resume();
      }
    }
  }

  #carry(near: Socket): void {
    near.on('error', () => near.destroy());
    if (this.#mode === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(this.#target, '127.0.0.1');
    far.on('error', () => near.destroy());
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    this.#pipe(near, far);
    this.#pipe(far, near);
    near.on('close', () => {
      far.destroy();
      this.#pairs.delete(pair);
    });
    far.on('close', () => {
      if (this.#mode !== 'half-open') near.destroy();
    });
    if (this.#mode === 'stall' || this.#mode === 'half-open') {
      near.pause();
      far.pause();
    }
  }

  #pipe(from: Socket, to: Socket): void {
    from.on('data', (data) => {
      if (this.#mode === 'half-open' || to.destroyed) return;
      if (this.#mode === 'slow') setTimeout(() => !to.destroyed && to.write(data), this.slowMs);
      else to.write(data);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}
