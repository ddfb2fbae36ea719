// A reporter for node:test: one line of JSON for each file and one, without a file, for the whole run:
//   {"file": "/path/x.test.ts", "counts": {"tests": 3, "passed": 3, ...}, "duration_ms": 812.5}
export default async function* summaries(events) {
  for await (const { type, data } of events) if (type === 'test:summary') yield `${JSON.stringify(data)}\n`
}
