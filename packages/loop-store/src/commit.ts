import type { LoopCommit } from './types.ts'

/** The arguments of commit-5.lua after the five that every script gets. */
export function commitArgs(fence: number, commit: LoopCommit): Array<string | number> {
  const { iterations, waveEnd, transition } = commit
  const first = iterations[0]?.record.iteration ?? 0
  if (iterations.some(({ record }, index) => record.iteration !== first + index)) {
    throw new Error('the iterations of a commit must be dense and ascending')
  }
  const accepted = transition?.state === 'accepted' ? JSON.stringify(transition.accepted) : ''
  return [
    fence,
    transition?.state ?? '',
    transition?.reason ?? '',
    accepted,
    waveEnd,
    first,
    iterations.length,
    ...iterations.flatMap(({ record, fresh, executed }) => {
      const { iteration, outcome, verdict, evidence } = record
      return [
        JSON.stringify(record),
        verdict,
        record.candidateSha256,
        fresh ? JSON.stringify({ iteration, outcome, verdict, evidence }) : '',
        record.duplicateOf === null ? 0 : 1,
        record.totalTokens,
        record.totalTokens - record.completionTokens,
        record.cache,
        executed ? 1 : 0,
      ]
    }),
  ]
}
