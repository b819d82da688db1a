import * as fc from 'fast-check'
import t from 'tap'
import { manualClock } from '@loopgate/testkit/clock'
import { createHosts, type HostKey } from '../src/hosts/hosts.ts'
import type { Host, HostKind } from '../src/hosts/host.ts'
import type { JailEnd } from '../src/jail/jail.ts'

type Fake = Host & { readonly kind: HostKind; readonly owners: Set<string>; readonly memoryBytes: number }

function fakes() {
  const all: Fake[] = []
  const start = (kind: HostKind, memoryBytes: number): Host => {
    const ended = Promise.withResolvers<JailEnd>()
    let alive = true
    const fake = {
      kind,
      memoryBytes,
      owners: new Set<string>(),
      spec: undefined as never,
      ready: Promise.resolve(),
      isAlive: () => alive,
      send() {},
      assign() {},
      cpuMs: () => null,
      kill: () => {
        alive = false
        ended.resolve(undefined as never)
      },
      ended: ended.promise,
    }
    all.push(fake)
    return fake
  }
  return { all, start, living: () => all.filter((each) => each.isAlive()) }
}

const AHEAD = [{ kind: 'candidate', memoryBytes: 1e6 }] as const
const IDLE_MAX = 3
const USES = 5

const step = fc.record({
  what: fc.constantFrom('take' as const, 'take' as const, 'back' as const, 'kill' as const, 'wait' as const),
  tenant: fc.constantFrom('a', 'b', null),
  kind: fc.constantFrom('candidate' as const, 'check' as const),
  memoryBytes: fc.constantFrom(1e6, 2e6),
  rss: fc.constantFrom(0, 0, 0, 1e9),
  pick: fc.nat(20),
})

t.test('whoever takes and gives back: no process has two owners, two parts, or more uses than it may', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
      const clock = manualClock()
      const world = fakes()
      const hosts = createHosts(clock, { start: world.start, ahead: AHEAD, usesOfOne: USES, idleMax: IDLE_MAX })
      const taken: Array<{ key: HostKey; host: Fake }> = []
      const uses = new Map<Fake, number>()
      let anonymous = 0
      for (const { what, tenant, kind, memoryBytes, rss, pick } of steps) {
        const held = taken[pick % (taken.length || 1)]
        if (what === 'take') {
          const key: HostKey = { tenant, kind, memoryBytes }
          const host = hosts.take(key).host as Fake
          if (!host.isAlive()) throw new Error('a dead process was handed out')
          if (taken.some((each) => each.host === host)) throw new Error('it was handed out twice at once')
          host.owners.add(tenant ?? `nobody-${(anonymous += 1)}`)
          uses.set(host, (uses.get(host) ?? 0) + 1)
          if (host.kind !== kind || host.memoryBytes !== memoryBytes) throw new Error('it was made for something else')
          taken.push({ key, host })
        } else if (what === 'wait') clock.advance(20_000)
        else if (held !== undefined) {
          taken.splice(taken.indexOf(held), 1)
          if (what === 'kill') held.host.kill()
          else hosts.giveBack(held.key, held.host, rss)
        }
        const idle = world.living().filter((host) => !taken.some((each) => each.host === host))
        if (idle.length > IDLE_MAX + AHEAD.length) throw new Error(`${idle.length} are kept idle`)
      }
      for (const [host, count] of uses) {
        if (host.owners.size > 1) throw new Error(`one process had ${[...host.owners].join(' and ')}`)
        if (count > USES) throw new Error(`one process was used ${count} times`)
      }
      await hosts.close()
      if (world.living().length > 0) throw new Error('a process outlived its pool')
    }),
    { numRuns: 300, verbose: true },
  )
  t.pass()
})

t.test('a process that nobody needs is gone after a minute, and one waits for the next tenant', async (t) => {
  const clock = manualClock()
  const world = fakes()
  const hosts = createHosts(clock, { start: world.start, ahead: AHEAD })
  const key: HostKey = { tenant: 'a', kind: 'candidate', memoryBytes: 1e6 }
  const first = hosts.take(key)
  t.ok(first.warm, 'the one that was started ahead')
  clock.advance(1)
  t.equal(world.living().length, 2, 'another is started in its place')
  hosts.giveBack(key, first.host, 0)
  t.equal(hosts.take(key).host, first.host, 'its own tenant gets it again')
  hosts.giveBack(key, first.host, 0)
  t.not(hosts.take({ ...key, tenant: 'b' }).host, first.host)
  clock.advance(61_000)
  t.notOk(first.host.isAlive())
  await hosts.close()
  t.same(world.living(), [])
})
