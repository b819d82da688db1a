import { cpus } from 'node:os'
import type { SandboxReport, SandboxRow } from '../scenarios/sandbox.ts'

const HEADS = ['executions/s', 'p50 ms', 'p99 ms', 'CPU ms each', 'MiB each', 'executions']

/** The report of the sandboxes for people. */
export function sandboxTable({ rows, throughGateway, unavailable }: SandboxReport): string {
  const line = (name: string, cells: readonly unknown[]) =>
    name.padEnd(28) + cells.map((cell) => String(cell).padStart(14)).join('')
  const row = ({ name, perSecond, p50Ms, p99Ms, cpuMs, memoryBytes, executions }: SandboxRow) =>
    line(name, [
      perSecond,
      p50Ms,
      p99Ms,
      cpuMs ?? '',
      memoryBytes === null ? '' : (memoryBytes / 2 ** 20).toFixed(1),
      executions,
    ])
  return [
    `${cpus()[0]?.model ?? 'an unknown processor'}, ${cpus().length} cores, Node ${process.version}; a trivial program each time`,
    'latency one at a time with a pause between, rate with four at once; CPU of the runner and all that it starts',
    '',
    line('at the sandbox', HEADS),
    ...rows.map(row),
    '',
    line('through the gateway', HEADS),
    ...throughGateway.map(row),
    '',
    'through the gateway CPU is of gateway and runner alone; MiB of an isolate are of its processes, which stay',
    ...unavailable.map(({ name, why }) => `${name} was not measured: ${why}`),
  ].join('\n')
}
