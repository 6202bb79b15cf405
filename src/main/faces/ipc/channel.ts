import type { Endpoint } from 'comlink';
import { isOwn } from './messages.ts';

/** One side of the connection between a host and its planner: a thread's port, or a process' IPC channel. */
export interface Channel {
  /** Sends a message. Throws if it cannot be cloned. */
  post(message: unknown): void;
  /** Sets the listener for all messages. Called once. */
  listen(hear: (message: unknown) => void): void;
}

type Listener = Parameters<Endpoint['addEventListener']>[1];

/** Calls each of comlink's listeners as the DOM would. */
export function deliver(listeners: Iterable<Listener>, data: unknown): void {
  const event = { data } as MessageEvent;
  for (const listener of listeners) {
    if (typeof listener === 'function') listener(event);
    else listener.handleEvent(event);
  }
}

/** The planner's side of a channel for comlink; other messages go to `hearOwn`. */
export function calledEndpoint(channel: Channel, hearOwn: (message: unknown) => void): Endpoint {
  const listeners = new Set<Listener>();
  channel.listen((message) => {
    if (isOwn(message)) hearOwn(message);
    else deliver(listeners, message);
  });
  return {
    postMessage: (message) => channel.post(message),
    addEventListener: (_type, listener) => void listeners.add(listener),
    removeEventListener: (_type, listener) => void listeners.delete(listener),
  };
}
