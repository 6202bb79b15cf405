/**
 * Receives the server's events. `EventSource` cannot send a token, so the stream is read with `fetch`. A stream that ends, or is silent for too long,
 * is reopened: at once, then after a delay that doubles each time.
 *
 * @typedef {object} Listener
 * @property {(event: string, data: any) => void} onEvent
 * @property {(state: { kind: 'live' } | { kind: 'lost', message: string, againAtMs: number } | { kind: 'unauthorized' }) => void} onState
 */

const PATH = '/v1/live';
const TOKEN_KEY = 'conclave token';
/** Characters that a header can carry. */
const VISIBLE = /^[\x21-\x7e]+$/;
/** Silence after which the stream is reopened: the server sends something every second. */
const SILENT_MS = 5_000;
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 10_000;
/** Maximum length of a line; longer ones cannot be the server's. */
const BUFFER_MAX = 16 * 2 ** 20;

export class Live {
  /** @type {Listener} */
  #listener;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {AbortController | undefined} */
  #open;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  /** Opens the stream now, even if the next attempt is due later. */
  async connect() {
    clearTimeout(this.#again);
    this.#open?.abort();
    const controller = new AbortController();
    this.#open = controller;
    try {
      await this.#read(controller);
      throw new Error('the server ended the stream');
    } catch (error) {
      if (this.#open !== controller) return;
      controller.abort();
      if (error instanceof Unauthorized) this.#listener.onState({ kind: 'unauthorized' });
      // This is all that a browser reports about an unreachable server.
      else if (error instanceof TypeError) this.#lost('the server cannot be reached');
      else this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} token */
  async useToken(token) {
    // No server has any other token, and `fetch` would fail with it every time.
    if (!VISIBLE.test(token)) return this.#listener.onState({ kind: 'unauthorized' });
    sessionStorage.setItem(TOKEN_KEY, token);
    this.#failures = 0;
    return this.connect();
  }

  /** @param {AbortController} controller */
  async #read(controller) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    /** @type {Record<string, string>} */
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    let silence = setTimeout(() => controller.abort(new Error('the server does not answer')), SILENT_MS);
    try {
      const response = await fetch(PATH, {
        headers,
        signal: controller.signal,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
      if (response.status === 401) throw new Unauthorized();
      if (!response.ok || response.body === null) throw new Error(await problemText(response));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(
          () => controller.abort(new Error(`the server has been silent for ${SILENT_MS / 1_000} s`)),
          SILENT_MS,
        );
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop() ?? '';
        if (rest.length > BUFFER_MAX) throw new Error('the server sends what this page does not know');
        for (const block of blocks) this.#tell(block);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  /** @param {string} block */
  #tell(block) {
    let event = 'message';
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
    if (data === '') return;
    this.#listener.onEvent(event, JSON.parse(data));
    // Every stream starts with a snapshot.
    if (event !== 'snapshot') return;
    this.#failures = 0;
    this.#listener.onState({ kind: 'live' });
  }

  /** @param {string} message */
  #lost(message) {
    const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** this.#failures);
    this.#failures++;
    this.#listener.onState({ kind: 'lost', message, againAtMs: Date.now() + delayMs });
    this.#again = setTimeout(() => this.connect(), delayMs);
  }
}

class Unauthorized extends Error {}

/** @param {Response} response */
async function problemText(response) {
  try {
    const { code, detail } = await response.json();
    return `${detail} (${code})`;
  } catch {
    return `the server answers with status ${response.status}`;
  }
}
