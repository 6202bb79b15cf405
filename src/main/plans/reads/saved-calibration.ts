import { z } from 'zod';
import { READ_ACTIONS_MAX } from '../../../shared/reads/labels.ts';
import type { EntryFormat } from '../../models/time/profile-text.ts';
import { BINS } from './bins.ts';
import { READ_WORTHS } from './equality-test.ts';
import { LONE_WORTHS } from './lone-test.ts';
import type { SavedCalibration } from './read-calibration.ts';

const number = z.number();
const bins = z.array(number).length(BINS);
const outcomes = z.object({ counts: bins, agreed: bins });
const expectations = z.object({ counts: bins, expected: bins, agreed: bins });
const verdict = z.enum(READ_WORTHS);
const places = z.array(number).length(READ_ACTIONS_MAX);
const prior = z.object({ lists: number, counts: places, sums: places, squares: places });

const calibration = z.object({
  compared: number,
  all: outcomes,
  scenes: z.array(z.tuple([z.string(), outcomes])),
  record: z.object({ all: expectations, judged: expectations, squares: number }),
  equality: z.object({ counts: bins, excess: bins, squares: number, ofSure: number, ofAll: number, verdict }),
  lone: z.object({ rung: number, noise: number, verdict: z.enum(LONE_WORTHS) }),
  labels: z.array(z.tuple([z.string(), prior])).optional(),
});

/** The file of what is known about reads of each model. */
export const CALIBRATION_FORMAT: EntryFormat<SavedCalibration> = {
  noun: 'calibrations',
  version: 2,
  isValue: (value): value is SavedCalibration => calibration.safeParse(value).success,
};
