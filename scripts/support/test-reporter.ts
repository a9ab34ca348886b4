// A node:test reporter: prints what failed or was skipped, and leaves its counts in HEDDLE_TEST_COUNTS.
// The time that each file took is appended to HEDDLE_TEST_TIMES, if that names a file.
import { appendFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

export type TestCounts = { passed: number; failed: number; skipped: number };

async function* testReporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of source) {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') yield event.data.message;
    if (event.type === 'test:summary') tellTime(event.data.file, event.data.duration_ms);
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, file, line, details, skip } = event.data;
    const where = `${relative(process.cwd(), file ?? '')}:${line ?? 0}`;
    const error = 'error' in details ? details.error : undefined;
    // A suite, a test with subtests and a file are counted by what is in them, unless they break themselves.
    const isGroup = details.type === 'suite' || failureType(error) === 'subtestsFailed';
    if (event.type === 'test:fail') {
      if (isGroup) continue;
      counts.failed += 1;
      yield `  FAILED  ${where}  ${name}\n${indent(describe(error))}\n`;
    } else if (skip !== undefined) {
      counts.skipped += 1;
      yield `  skipped  ${where}  ${name}: ${typeof skip === 'string' ? skip : 'without a reason'}\n`;
    } else if (!isGroup) counts.passed += 1;
  }
  const target = process.env.HEDDLE_TEST_COUNTS;
  if (target !== undefined) writeFileSync(target, JSON.stringify(counts));
}

function tellTime(file: string | undefined, ms: number): void {
  const target = process.env.HEDDLE_TEST_TIMES;
  if (target === undefined || file === undefined) return;
  appendFileSync(target, `${(ms / 1000).toFixed(1).padStart(7)} s  ${relative(process.cwd(), file)}\n`);
}

function failureType(error: unknown): unknown {
  return error instanceof Error && 'failureType' in error ? error.failureType : undefined;
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error && cause.stack !== undefined ? `${cause.stack}` : inspect(cause);
}

function indent(text: string): string {
  return text.replace(/^/gm, '          ');
}

// The runner wants the default export.
export { testReporter as default };
