/** A worker's entry that says on a channel that it starts, and goes on when it is told to. */
const channel = new BroadcastChannel('gated-worker');
await new Promise<void>((resolve) => {
  channel.onmessage = () => resolve();
  channel.postMessage('starting');
});
channel.close();

export { default } from './faulty-worker.ts';
