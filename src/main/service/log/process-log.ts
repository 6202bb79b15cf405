import { type DestinationStream, type Logger, pino } from 'pino';
import { Secrets, withoutSecrets } from '../../../shared/secrets.ts';
import { shown } from '../../../shared/shown-text.ts';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The log of the process: one JSON object a line, the object first, then a constant message. Members with secret names are hidden at any depth; the
 * texts in `secrets`, and what looks like credentials, are cut from the finished line. Control characters that JSON does not escape, such as U+0080
 * to U+009F, are escaped too, so that a terminal does not obey them. The level may change while the log is in use.
 */
export class ProcessLog {
  readonly secrets = new Secrets();
  readonly root: Logger;
  /** One logger for each part. They always have the level of the root. */
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
