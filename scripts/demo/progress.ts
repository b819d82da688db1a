import { total, type Counters } from './counters.ts'

export type Snapshot = {
  readonly elapsedMs: number
  readonly finished: number
  readonly problems: number
  readonly solved: number
  readonly counters: Counters
}

const BAR_CELLS = 28
/** A file or a pipe gets a line this often; a terminal is redrawn at every snapshot. */
const LINE_EVERY_MS = 2_000

const perSecond = (count: number, elapsedMs: number): string =>
  (elapsedMs > 0 ? (count / elapsedMs) * 1000 : 0).toFixed(0)

/** One line that says how far the demo is. */
function progressLine({ elapsedMs, finished, problems, solved, counters }: Snapshot): string {
  const cells = Math.round((finished / problems) * BAR_CELLS)
  const bar = '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells)
  const { hit, miss, coalesced } = counters.generations
  return [
    `${bar} ${finished}/${problems} loops, ${solved} solved`,
    `${perSecond(counters.iterations, elapsedMs)} iterations/s`,
    `${perSecond(total(counters.generations), elapsedMs)} generations/s (hit ${hit}, miss ${miss}, coalesced ${coalesced})`,
    `${perSecond(total(counters.executions), elapsedMs)} executions/s`,
  ].join('  ')
}

/** Shows snapshots on stderr: redrawn in place on a terminal, now and then a line elsewhere. */
export function createProgress(stream: NodeJS.WriteStream): { show: (snapshot: Snapshot) => void; end: () => void } {
  let lastLineAt = -Infinity
  return {
    show: (snapshot) => {
      if (stream.isTTY) {
        stream.write(`\r\u001B[K${progressLine(snapshot).slice(0, stream.columns - 1)}`)
      } else if (snapshot.elapsedMs - lastLineAt >= LINE_EVERY_MS || snapshot.finished === snapshot.problems) {
        lastLineAt = snapshot.elapsedMs
        stream.write(`${progressLine(snapshot)}\n`)
      }
    },
    end: () => {
      if (stream.isTTY) stream.write('\n')
    },
  }
}
