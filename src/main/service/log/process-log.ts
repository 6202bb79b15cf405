import { type DestinationStream, type Logger, pino } from 'pino';
import { Secrets, withoutSecrets } from '../../../shared/secrets.ts';
import { shown } from '../../../shared/shown-text.ts';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The log of the process: one JSON object a line, the object first, then a constant message. Members that are secret by
 * their name are hidden at any depth; what `secrets` knows, and what looks like credentials, is cut from the finished
 * line, whatever text it got into. A terminal that shows the log obeys nothing in it: what JSON leaves as it is, controls of U+0080 to
 * U+009F among it, is escaped too. The level may be changed while the log is in use.
 */
export class ProcessLog {
  readonly secrets = new Secrets();
  readonly root: Logger;
  /** One for each part. They have the level of the root, also when it changes. */
  readonly #children = new Map<string, Logger>();

  constructor(destination: DestinationStream) {
    this.root = pino(
      {
        name: 'conclave',
        level: 'silent',
        formatters: { log: (data) => withoutSecrets(data) as Record<string, unknown> },
        hooks: { streamWrite: (line) => shown(this.secrets.hide(line)) },
      },
      destination,
    );
  }

  /** The log of one part: its lines carry `component`. */
  of(component: string): Logger {
    const known = this.#children.get(component);
    if (known !== undefined) return known;
    const child = this.root.child({ component });
    this.#children.set(component, child);
    return child;
  }

  get level(): string {
    return this.root.level;
  }

  set level(level: string) {
    this.root.level = level;
  }
}
