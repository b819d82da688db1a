import t from 'tap'
import { seccompProgram } from '../src/jail/seccomp-program.ts'

const ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const
const [LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06]
const [KILL, ERRNO, ALLOW] = [0x8000_0000, 0x0005_0000, 0x7fff_0000]
const [EPERM, ENOSYS] = [1, 38]

type Call = { readonly arch: number; readonly number: number; readonly first?: number }

/** What the kernel does with a call, by the instructions that we emit and no others. */
function verdict(program: Buffer, { arch, number, first = 0 }: Call): number {
  const data = new Map([
    [0, number],
    [4, arch],
    [16, first],
  ])
  let value = 0
  for (let at = 0; at < program.length; at += 8) {
    const operation = program.readUInt16LE(at)
    const operand = program.readUInt32LE(at + 4)
    if (operation === RETURN) return operand
    if (operation === LOAD) value = data.get(operand) ?? Number.NaN
    else {
      const holds =
        operation === EQUAL
          ? value === operand
          : operation === AT_LEAST
            ? value >= operand
            : operation === ANY_BIT && (value & operand) !== 0
      at += 8 * program.readUInt8(at + (holds ? 2 : 3))
    }
  }
  throw new Error('the program has no end')
}

/** Of two filters the kernel follows the one whose action comes first in seccomp(2). */
const stricter = (one: number, other: number): number =>
  [KILL, ERRNO | ENOSYS, ERRNO | EPERM, ALLOW].find((each) => each === one || each === other) ?? Number.NaN

for (const machine of ['x64', 'arm64'] as const) {
  const arch = ARCH[machine]
  const [program, server, fork] = (['program', 'fork-server', 'fork'] as const).map(
    (role) => seccompProgram(machine, role) ?? Buffer.alloc(0),
  ) as [Buffer, Buffer, Buffer]
  const clone = machine === 'x64' ? 56 : 220

  t.test(
    `${machine}: a fork under its server's filter and its own may do what a program may, and nothing else`,
    (t) => {
      const calls: Call[] = [{ arch: arch ^ 1, number: 1 }]
      for (let number = 0; number < 600; number++) calls.push({ arch, number }, { arch, number: number | 0x4000_0000 })
      for (let bit = 0; bit < 32; bit++) calls.push({ arch, number: clone, first: 2 ** bit })
      let denied = 0
      for (const call of calls) {
        const alone = verdict(program, call)
        if (alone !== ALLOW) denied += 1
        const both = stricter(verdict(server, call), verdict(fork, call))
        if (both !== alone) t.equal(both, alone, JSON.stringify(call))
      }
      t.ok(denied > 60, `${denied} of ${calls.length} are refused`)
      t.end()
    },
  )

  t.test(`${machine}: a server of forks may mount and make namespaces, and its forks may not`, (t) => {
    const [mount, unshare] = machine === 'x64' ? [165, 272] : [40, 97]
    const calls: Call[] = [
      { arch, number: mount },
      { arch, number: unshare },
      { arch, number: clone, first: 0x1000_0000 },
    ]
    for (const call of calls) {
      t.equal(verdict(server, call), ALLOW)
      t.equal(verdict(fork, call), ERRNO | EPERM)
    }
    t.ok(fork.length * 4 < program.length, 'a small part of the whole')
    t.end()
  })
}
