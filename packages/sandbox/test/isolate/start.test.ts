import { limitsSchema } from '@loopgate/contracts'
import { systemClock } from '@loopgate/service-kit'
import t from 'tap'
import type { Host } from '../../src/hosts/host.ts'
import type { Hosts } from '../../src/hosts/hosts.ts'
import { startIsolate } from '../../src/isolate/start-isolate.ts'
import type { JailSpec } from '../../src/jail/jail.ts'

type Frames = NonNullable<Parameters<Host['assign']>[0]>['onFrame']

/** A process that says what the test makes it say. */
function scripted() {
  const up = Promise.withResolvers<void>()
  let onFrame: Frames = () => {}
  const host: Host = {
    spec: {} as Host['spec'],
    ready: up.promise,
    isAlive: () => true,
    send: () => {},
    assign: (handlers) => void (onFrame = handlers?.onFrame ?? (() => {})),
    cpuMs: () => 0,
    kill: () => {},
    ended: new Promise(() => {}),
  }
  const hosts: Hosts = { take: () => ({ host, warm: false }), giveBack: () => {}, close: async () => {} }
  const says = (kind: string, text = '') => onFrame({ kind, payload: Buffer.from(text) })
  return { hosts, up: up.resolve, says }
}

const spec = { limits: limitsSchema.parse({}), role: 'program', stdin: null } as unknown as JailSpec
const END = JSON.stringify({ exitCode: 0, cpuMs: 1, rssBytes: 1 })

function start() {
  const process = scripted()
  const jail = startIsolate({ clock: systemClock, hosts: process.hosts }, 'tenant', spec)
  const heard: string[] = []
  jail.open({
    onFrame: ({ kind }) => {
      heard.push(kind)
      if (kind === 'S') jail.started()
    },
    onFault: () => t.fail('no fault'),
  })
  return { ...process, jail, heard }
}

t.test('an execution begins once its process is up, though nothing of it is heard', async (t) => {
  const { up, says, jail, heard } = start()
  t.same(heard, [])
  up()
  await Promise.resolve()
  t.same(heard, ['S'])
  says('Z', END)
  t.equal((await jail.ended).exitCode, 0)
})

t.test('a process that comes up and ends its execution in one piece has begun it', async (t) => {
  const { up, says, jail, heard } = start()
  up()
  says('o', '2\n')
  says('D', 'x0')
  says('Z', END)
  const end = await jail.ended
  t.same(heard, ['S', 'D'], 'once, and first')
  t.equal(end.stdout, '2\n')
})
