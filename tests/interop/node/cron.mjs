// Answers with the instants that cron-parser gives, in the version that BullMQ uses.
//
// A line in is a JSON list of cases [pattern, zone, instant in ms, how many]; a line out is a list with the instants in
// ms for each, fewer if there are no more, or {error} if the pattern or the zone is refused. The first line out has
// the versions.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const bullmqs = createRequire(createRequire(import.meta.url).resolve("bullmq"));
const { CronExpressionParser } = bullmqs("cron-parser");
const { version } = bullmqs("cron-parser/package.json");

// Parses anew for each instant, as BullMQ does: one parser asked again answers otherwise where clocks change.
function answer([pattern, zone, instant, count]) {
  const found = [];
  let searching = false;
  try {
    while (found.length < count) {
      searching = false;
      const parsed = CronExpressionParser.parse(pattern, { tz: zone, currentDate: new Date(found.at(-1) ?? instant) });
      searching = true;
      found.push(parsed.next().getTime());
    }
  } catch (error) {
    if (!searching) return { error: error.message };
    // To BullMQ, an error while searching is the end of the series.
  }
  return found;
}

console.log(JSON.stringify({ "cron-parser": version, "time zones": process.versions.tz }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(JSON.parse(line).map(answer)));
}
