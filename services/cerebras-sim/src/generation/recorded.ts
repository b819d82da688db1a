import { findRecordedTask } from '@loopgate/problems'

/**
 * The recorded completion for the HumanEval problem that one of the texts holds, the first text
 * first; `seed` picks the sample, taken modulo their number.
 */
export function recordedCompletion(texts: Iterable<string>, seed: number): string | undefined {
  for (const text of texts) {
    const task = findRecordedTask(text)
    if (task === undefined) continue
    const count = task.samples.length
    return task.samples[((seed % count) + count) % count]
  }
  return undefined
}
