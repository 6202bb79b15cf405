import { pino } from 'pino';
import type { FaceParts } from '../../../src/main/faces/face.ts';
import { systemClock } from '../../../src/shared/clock.ts';

export const BENCH_PARTS: FaceParts = { clock: systemClock, log: pino({ level: 'warn' }), version: 'bench' };
