import type { JailFolders, jailArguments } from '../jail/arguments.ts'
import type { Role } from '../languages/runtime.ts'

/** The folder that gVisor shows a program as its root; it has nothing of runsc's own. */
const ROOT = '/gvisor'
/** Where runsc stands in the jail, outside that folder. */
export const RUNSC = '/opt/runsc'
/** runsc's own files: some kilobytes of JSON. */
const STATE_BYTES = 1024 * 1024
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom']

/** Pairs of bubblewrap's arguments that show or link something, with the target moved below ROOT. */
function belowRoot(args: readonly string[]): string[] {
  const moved = [...args]
  // Each of these options has two operands, of which the second is the place inside.
  for (let i = 0; i < moved.length; i += 3) moved[i + 2] = `${ROOT}${moved[i + 2] ?? ''}`
  return moved
}

/**
 * The arguments of the jail around one runsc. It is root in its own user namespace, as runsc wants, which is the
 * launcher's unprivileged user outside: no host file is writable, there is no network, and what the program
 * writes goes to a tmpfs of `diskBytes`, which it sees as /tmp. The program is not in this jail but in gVisor's.
 */
export const gvisorArguments: typeof jailArguments = (folders: JailFolders, env, diskBytes, descriptors) => {
  const parts: ReadonlyArray<readonly string[]> = [
    ['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ['--uid', '0', '--gid', '0', '--hostname', 'sandbox', '--die-with-parent', '--new-session', '--cap-add', 'ALL'],
    folders.system,
    folders.binds.filter(({ target }) => target === RUNSC).flatMap(({ source }) => ['--ro-bind', source, RUNSC]),
    belowRoot(folders.system),
    folders.binds
      .filter(({ target }) => target !== RUNSC)
      .flatMap(({ source, target }) => ['--ro-bind', source, `${ROOT}${target}`]),
    ['--proc', '/proc', '--size', '65536', '--tmpfs', '/dev'],
    DEVICES.flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ['--symlink', '/proc/self/fd', '/dev/fd', '--remount-ro', '/dev'],
    ['--size', String(STATE_BYTES), '--tmpfs', '/run'],
    ['--size', String(diskBytes), '--tmpfs', `${ROOT}/tmp`, '--dir', `${ROOT}/tmp/work`],
    // Relative, so that it holds for whoever comes through procfs too.
    ['--symlink', `${ROOT.slice(1)}/tmp`, '/tmp'],
    ['dev', 'proc', 'sys'].flatMap((name) => ['--dir', `${ROOT}/${name}`]),
    ['--chdir', '/', '--remount-ro', '/'],
    Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ['--info-fd', String(descriptors.info), '--block-fd', String(descriptors.block)],
    descriptors.seccomp === null ? [] : ['--seccomp', String(descriptors.seccomp)],
    ['--'],
  ]
  return parts.flat()
}

/** ptrace: the platform that needs neither KVM nor a newer runsc; no overlay, so that the size of /tmp holds. */
const OPTIONS = [
  '--root=/run',
  '--rootless',
  '--network=none',
  '--ignore-cgroups',
  '--overlay=false',
  '--platform=ptrace',
]
const DO = ['do', '-quiet', '-force-overlay=false', '-root', ROOT, '-cwd', '/tmp/work', '--']
const INPUT = '/tmp/.stdin'
/** runsc hands on three descriptors. The first is the channel; a program's input waits in a file meanwhile. */
const OUTSIDE = {
  program: `cat >${INPUT}; TMPDIR=/run exec "$@" <&3 3<&-`,
  check: `: >${INPUT}; TMPDIR=/run exec "$@" <&3 3<&- >&4 4>&-`,
} as const
/** Root of gVisor's kernel may do what no program needs; what it starts has no way to that. */
const CONFINED = 'exec setpriv --inh-caps=-all --bounding-set=-all --no-new-privs "$@"'
const INSIDE = {
  program: `unset TMPDIR; exec 3<&0 <${INPUT}; rm ${INPUT}; ${CONFINED}`,
  check: `unset TMPDIR; exec 3<&0 4>&1 <${INPUT} >&2; rm ${INPUT}; ${CONFINED}`,
} as const

/** A bootstrap's arguments, run by gVisor. */
export function underGvisor(role: Role, argv: readonly string[]): string[] {
  const kind = role === 'check' ? 'check' : 'program'
  const outside = ['/bin/sh', '-c', OUTSIDE[kind], 'sh', RUNSC]
  return outside.concat(OPTIONS, DO, ['/bin/sh', '-c', INSIDE[kind], 'sh'], argv)
}
