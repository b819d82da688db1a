import type { CommitResult, LoopCommit, LoopStore } from '@loopgate/loop-store'

export type Committer = {
  readonly push: (commit: LoopCommit) => void
  /** Resolves when everything pushed so far is committed, or will never be. */
  readonly flushed: () => Promise<void>
}

export type CommitterHandlers = {
  readonly committed: (commit: LoopCommit, result: CommitResult) => void
  readonly broken: (error: unknown) => void
}

/**
 * Makes the commits of a slice one after the other, in the order given. Those of one wave that wait
 * behind another are made together.
 */
export function createCommitter(
  store: LoopStore,
  loopId: string,
  fence: number,
  { committed, broken }: CommitterHandlers,
): Committer {
  const waiting: LoopCommit[] = []
  let working = false
  let refused = false
  let worked = Promise.resolve()

  const work = async (): Promise<void> => {
    working = true
    try {
      for (let commit = nextCommit(waiting); commit !== null && !refused; commit = nextCommit(waiting)) {
        const result = await store.commit(loopId, fence, commit)
        refused = result.result !== 'ok'
        committed(commit, result)
      }
    } catch (error) {
      refused = true
      broken(error)
    } finally {
      working = false // in the same turn as the last look at what waits
    }
  }

  return {
    push: (commit) => {
      waiting.push(commit)
      if (!working && !refused) worked = work()
    },
    flushed: () => worked,
  }
}

function nextCommit(waiting: LoopCommit[]): LoopCommit | null {
  let commit = waiting.shift() ?? null
  for (let next = waiting[0]; commit !== null && next !== undefined; next = waiting[0]) {
    if (commit.transition !== undefined || commit.waveEnd !== next.waveEnd) break
    waiting.shift()
    commit = { ...next, iterations: [...commit.iterations, ...next.iterations] }
  }
  return commit
}
