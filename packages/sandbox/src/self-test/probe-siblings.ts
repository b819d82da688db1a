import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { limitsSchema } from '@loopgate/contracts'
import { z } from 'zod'
import { startSession, type Init, type Session, type SessionDeps } from '../jail/session.ts'
import type { Runtime } from '../languages/runtime.ts'
import type { SelfTestReport } from '../types.ts'

type Check = SelfTestReport['checks'][number]

const content = readFileSync(fileURLToPath(new URL('./sibling.py', import.meta.url)), 'utf8')
const LIMITS = limitsSchema.parse({ wallMs: 20_000 })

const foundSchema = z.object({
  files: z.array(z.string()),
  processes: z.array(z.int()),
  state: z.array(z.boolean()),
  sharedMemory: z.string(),
  abstractSocket: z.boolean(),
  loopback: z.boolean(),
  socketFiles: z.array(z.string()),
  initMemory: z.boolean(),
  procReadOnly: z.boolean(),
  unshare: z.string(),
  mount: z.string(),
  ptrace: z.string(),
})

/**
 * Runs two programs side by side in forks of one server, one of which attacks the other while it
 * verifiably lives. What it finds of the other, and the other's survival, are the checks.
 */
export async function probeSiblings(sessions: SessionDeps, runtime: Runtime, init: Init): Promise<Check[]> {
  const check = (name: string, passed: boolean, detail: unknown): Check => ({
    name: `siblings: ${name}`,
    passed,
    detail: JSON.stringify(detail) ?? '',
  })
  const start = (id: string) => startSibling(sessions, runtime, init, id)
  const victim = start('self-test-victim')
  const attacker = start('self-test-attacker')
  try {
    victim.order({ part: 'victim', port: 0 })
    const port = await victim.next('U')
    attacker.order({ part: 'attacker', port })
    const report = foundSchema.safeParse(await attacker.next('V'))
    if (!report.success) return [check('start', false, 'the attacker gave no report')]
    const found = report.data
    // Only one that lives, and whose files are as it left them, answers.
    victim.order({ part: 'victim', port: 0 })
    const survived = await victim.next('V')
    const refused = [found.unshare, found.mount, found.ptrace]
    return [
      check('signals do not reach the other', JSON.stringify(survived) === '["trace","work"]', survived),
      check('the other is not among the processes', found.processes.join() === '1,2', found.processes),
      check('nothing of the other is in /tmp', found.files.join() === 'work', found.files),
      check('no state of the other', found.state.length === 0, found.state),
      check('no shared memory', found.sharedMemory === 'ENOENT', found.sharedMemory),
      check('no socket of the other', !found.abstractSocket && !found.loopback, [found.abstractSocket, found.loopback]),
      check('the runner’s socket is out of sight', found.socketFiles.length === 0, found.socketFiles),
      check('procfs is mounted read-only', found.procReadOnly, found.procReadOnly),
      check('the init is unreadable', !found.initMemory, found.initMemory),
      check(
        'no namespace, mount or ptrace',
        refused.every((each) => each === 'EPERM'),
        refused,
      ),
    ]
  } finally {
    for (const { session } of [victim, attacker]) session.kill('finished')
    await Promise.all([victim.session.ended, attacker.session.ended])
  }
}

type Sibling = {
  readonly session: Session
  readonly order: (order: { part: string; port: unknown }) => void
  /** The next message of a kind; null if the program ended before. */
  readonly next: (kind: string) => Promise<unknown>
}

function startSibling(sessions: SessionDeps, runtime: Runtime, init: Init, id: string): Sibling {
  const seen = new Map<string, PromiseWithResolvers<unknown>>()
  const of = (kind: string) => {
    const known = seen.get(kind) ?? Promise.withResolvers<unknown>()
    seen.set(kind, known)
    return known
  }
  const session = startSession(
    sessions,
    { id, runtime, role: 'program', limits: LIMITS, stdin: null },
    LIMITS.wallMs,
    { ...init, mode: 'program', entry: 'sibling.py', args: [] },
    [{ path: 'sibling.py', content, encoding: 'utf-8' }],
    {
      onFrame: ({ kind, payload }) => of(kind).resolve(JSON.parse(payload.toString('utf8'))),
      onFault: () => session.kill('finished'),
    },
  )
  const onEnd = async () => {
    await session.ended
    for (const kind of ['U', 'V']) of(kind).resolve(null)
  }
  void onEnd()
  return {
    session,
    order: (order) => session.channel.send('Q', JSON.stringify(order)),
    next: (kind) => of(kind).promise,
  }
}
