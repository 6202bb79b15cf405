import type { Decision } from '../../shared/decision.ts';
import type { StatePoint } from '../../shared/place.ts';
import type { Signature } from '../../shared/signature.ts';
import { decodeDecision } from '../../shared/store/decision-codec.ts';
import type { RestoredDecision } from './disk/decision-disk.ts';

/** What another node has decided, to be remembered here. */
export interface AdoptedDecision extends RestoredDecision {
  /** The decision in the form of the store and its time; undefined if only `decision` is there. */
  readonly asStored?: StoredForm;
}

export interface StoredForm {
  /** Of `encodeDecision`, and sound. */
  readonly bytes: Buffer;
  readonly decidedAtMs: number;
}

/** A decision that came as bytes, and that is decoded only if somebody asks: into memory it is copied as it is. */
export class ForeignDecision implements AdoptedDecision {
  readonly signature: Signature;
  readonly place: StatePoint | undefined;
  readonly asStored: StoredForm;
  readonly expiresAtMs: number;

  constructor(signature: Signature, place: StatePoint | undefined, asStored: StoredForm, expiresAtMs: number) {
    this.signature = signature;
    this.place = place;
    this.asStored = asStored;
    this.expiresAtMs = expiresAtMs;
  }

  get decision(): Decision {
    const { bytes, decidedAtMs } = this.asStored;
    return { ...decodeDecision(bytes), decidedAtMs };
  }
}
