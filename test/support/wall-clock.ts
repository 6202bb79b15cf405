import { FakeClock } from './fake-clock.ts';

/** A fake clock whose wall clock can be set to another time, as people and time servers do. */
export class FakeWallClock extends FakeClock {
  /** Added to the wall clock alone. */
  wallShiftMs = 0;

  override wallNow(): number {
    return super.wallNow() + this.wallShiftMs;
  }

  /** The clock of a process started now: its own begins at `startMs`, the wall clock goes on. */
  restarted(startMs: number): FakeWallClock {
    const clock = new FakeWallClock(startMs);
    clock.wallShiftMs = this.wallNow() - clock.wallNow();
    return clock;
  }
}
