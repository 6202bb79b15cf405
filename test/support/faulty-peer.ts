/**
 * Faults of a planner's thread or process, chosen by the agent of a request: `exit:3` ends it, `throw` fails, `spin:500` blocks
 * its event loop for so long. The real planner hears every message too, before.
 */
export function playFault(message: unknown): void {
  const asked = (message as { argumentList?: { value?: { request?: { agent?: string } } }[] }).argumentList?.[0]?.value;
  const [fault, given] = (asked?.request?.agent ?? '').split(':');
  switch (fault) {
    case 'exit':
      return process.exit(Number(given));
    case 'throw':
      throw new Error('a bug in the planner');
    case 'spin': {
      const until = performance.now() + Number(given);
      while (performance.now() < until);
    }
  }
}
