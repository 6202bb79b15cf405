import { LatencyProfile } from '../../../../../src/main/models/time/latency-profile.ts';
import { openProfileFile, profileKey } from '../../../../../src/main/models/time/profile-file.ts';
import { systemClock } from '../../../../../src/shared/clock.ts';

// A planner's life, again and again: opens the file, writes profiles of its own and ends. Prints what it was warned of.
const [path, name, rounds] = process.argv.slice(2) as [string, string, string];
const warnings: string[] = [];
let least = Number.POSITIVE_INFINITY;
for (let round = 0; round < Number(rounds); round++) {
  const file = await openProfileFile(path, systemClock, (message) => warnings.push(message));
  if (round > 0) least = Math.min(least, file.saved.size);
  const profile = new LatencyProfile();
  for (let call = 0; call < 50; call++) profile.answered({ totalMs: 100 + call }, false);
  await file.close(
    Array.from(
      { length: 100 },
      (_, i) => [profileKey(`http://${name}`, `model ${i}`, 'text'), profile.save()] as const,
    ),
  );
}
process.stdout.write(JSON.stringify({ warnings, least }));
