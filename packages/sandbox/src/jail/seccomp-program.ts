/**
 * The system calls that no program of a sandbox needs and that have been ways out of one, as a table:
 * name, number on x86-64, number on arm64 (the kernel's syscall tables; null where it has none).
 * They answer EPERM. The rest of the kernel stays reachable: this narrows the surface, it is not the wall.
 */
const DENIED: ReadonlyArray<readonly [string, number | null, number | null]> = [
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['kcmp', 312, 272],
  ['pidfd_getfd', 438, 438],
  ['io_uring_setup', 425, 425],
  ['io_uring_enter', 426, 426],
  ['io_uring_register', 427, 427],
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['keyctl', 250, 219],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  ['syslog', 103, 116],
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['move_mount', 429, 429],
  ['open_tree', 428, 428],
  ['fsopen', 430, 430],
  ['fsconfig', 431, 431],
  ['fsmount', 432, 432],
  ['fspick', 433, 433],
  ['mount_setattr', 442, 442],
  ['unshare', 272, 97],
  ['setns', 308, 268],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['kexec_load', 246, 104],
  ['kexec_file_load', 320, 294],
  ['reboot', 169, 142],
  ['swapon', 167, 224],
  ['swapoff', 168, 225],
  ['acct', 163, 89],
  ['settimeofday', 164, 170],
  ['clock_settime', 227, 112],
  ['clock_adjtime', 305, 266],
  ['adjtimex', 159, 171],
  ['sethostname', 170, 161],
  ['setdomainname', 171, 162],
  ['quotactl', 179, 60],
  ['open_by_handle_at', 304, 265],
  ['name_to_handle_at', 303, 264],
  ['fanotify_init', 300, 262],
  ['lookup_dcookie', 212, 18],
  ['mknod', 133, null],
  ['mknodat', 259, 33],
  ['personality', 135, 92],
  ['iopl', 172, null],
  ['ioperm', 173, null],
  ['modify_ldt', 154, null],
  ['vhangup', 153, 58],
  ['move_pages', 279, 239],
  ['migrate_pages', 256, 238],
  ['mbind', 237, 235],
  ['set_mempolicy', 238, 237],
]

/**
 * For whom a filter is: a program, or what shuts programs in, by calls that those must not make. A fork inherits
 * the filter of its server, to which its own adds what the server may do and a program must not.
 */
export type FilterRole = 'program' | 'fork-server' | 'fork' | 'gvisor'

const NEEDS: Readonly<Record<Exclude<FilterRole, 'fork'>, ReadonlySet<string>>> = {
  program: new Set(),
  'fork-server': new Set(['mount', 'unshare']),
  // Its ptrace platform runs the program's instructions and answers every system call itself.
  gvisor: new Set(
    'mount umount2 pivot_root chroot unshare ptrace process_vm_readv process_vm_writev personality'.split(' '),
  ),
}

// linux/seccomp.h, linux/audit.h, linux/filter.h
const RET_KILL_PROCESS = 0x8000_0000
const RET_ERRNO = 0x0005_0000
const RET_ALLOW = 0x7fff_0000
const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const
const LOAD_WORD = 0x20
const JUMP_EQUAL = 0x15
const JUMP_GREATER_OR_EQUAL = 0x35
const JUMP_ANY_BIT = 0x45
const RETURN = 0x06
const OFFSET_NUMBER = 0
const OFFSET_ARCH = 4
const OFFSET_FIRST_ARGUMENT = 16
const EPERM = 1
const ENOSYS = 38
/** x32 calls share the architecture word of x86-64 and set this bit of the number. */
const X32_BIT = 0x4000_0000
const CLONE = { x64: 56, arm64: 220 } as const
const CLONE3 = 435
/** Every CLONE_NEW* flag of linux/sched.h that clone(2) takes. */
const NEW_NAMESPACES = 0x7e02_0000

/**
 * A classic BPF program for `bwrap --seccomp`, or null where the table has no column for the
 * architecture. clone with a new namespace is refused; clone3, whose flags a filter cannot see, says
 * ENOSYS so that libraries fall back to clone. For a server of forks and for gVisor the calls by which they shut
 * programs in are left open: each fork loads its filter on top, and gVisor's sandbox its own. Of two filters the
 * kernel follows the stricter, call by call, and each program of instructions costs a fork its check and translation:
 * 0.1 ms for the whole table.
 */
export function seccompProgram(arch: string, role: FilterRole = 'program'): Buffer | null {
  if (arch !== 'x64' && arch !== 'arm64') return null
  const mayMakeNamespaces = role === 'fork-server' || role === 'gvisor'
  const isDenied = (name: string) => (role === 'fork' ? NEEDS['fork-server'].has(name) : !NEEDS[role].has(name))
  const denied = DENIED.filter(([name]) => isDenied(name))
    .map((row) => row[arch === 'x64' ? 1 : 2])
    .filter((number) => number !== null)
  const code: number[][] = [
    [LOAD_WORD, 0, 0, OFFSET_ARCH],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, RET_KILL_PROCESS],
    [LOAD_WORD, 0, 0, OFFSET_NUMBER],
    ...(arch === 'x64'
      ? [
          [JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT],
          [RETURN, 0, 0, RET_ERRNO | ENOSYS],
        ]
      : []),
    [JUMP_EQUAL, 0, 1, CLONE3],
    [RETURN, 0, 0, RET_ERRNO | ENOSYS],
    ...denied.flatMap((number) => [
      [JUMP_EQUAL, 0, 1, number],
      [RETURN, 0, 0, RET_ERRNO | EPERM],
    ]),
    ...(mayMakeNamespaces
      ? []
      : [
          [JUMP_EQUAL, 0, 3, CLONE[arch]],
          [LOAD_WORD, 0, 0, OFFSET_FIRST_ARGUMENT],
          [JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES],
          [RETURN, 0, 0, RET_ERRNO | EPERM],
        ]),
    [RETURN, 0, 0, RET_ALLOW],
  ]
  const program = Buffer.alloc(code.length * 8)
  code.forEach(([operation = 0, whenTrue = 0, whenFalse = 0, operand = 0], i) => {
    program.writeUInt16LE(operation, i * 8)
    program.writeUInt8(whenTrue, i * 8 + 2)
    program.writeUInt8(whenFalse, i * 8 + 3)
    program.writeUInt32LE(operand >>> 0, i * 8 + 4)
  })
  return program
}
