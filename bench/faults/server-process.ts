/** The fault server in a process of its own: plays what its parent says, and ends with it. */
import { type Faults, startFaultServer } from '../../test/faults/fault-server.ts';

/** What the parent asks for, by method and argument. */
export interface ServerCall {
  readonly id: number;
  readonly method: 'play' | 'heal' | 'stats' | 'takeCancelled';
  readonly faults?: Faults;
}

export type ServerMessage =
  | { readonly kind: 'listening'; readonly baseURL: string }
  | { readonly kind: 'clock-jump' }
  | { readonly kind: 'reply'; readonly id: number; readonly value: unknown };

const [seed, scale] = process.argv.slice(2).map(Number);

function tell(message: ServerMessage): void {
  process.send?.(message);
}

const server = await startFaultServer({
  seed: seed ?? 1,
  scale: scale ?? 0.01,
  onClockJump: () => tell({ kind: 'clock-jump' }),
});

async function answer({ method, faults }: ServerCall): Promise<unknown> {
  switch (method) {
    case 'play':
      return server.play(faults ?? []);
    case 'heal':
      return server.heal();
    case 'stats':
      return server.stats();
    case 'takeCancelled':
      return server.takeCancelled();
    default:
      return method satisfies never;
  }
}

process.on('message', async (call: ServerCall) => tell({ kind: 'reply', id: call.id, value: await answer(call) }));
process.once('disconnect', () => process.exit());
tell({ kind: 'listening', baseURL: server.baseURL });
