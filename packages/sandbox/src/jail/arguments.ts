import { lstatSync, readlinkSync } from 'node:fs'
import type { Bind } from '../languages/runtime.ts'
import type { PlacedFile } from './jail.ts'

/** User and group inside, whoever started it. */
const INSIDE_ID = '65534'
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom']

/** What the arguments below guarantee by themselves, in the words of `isolation.enforced`. */
export const ALWAYS_ENFORCED = [
  'namespaces:user,pid,net,ipc,uts,mount,cgroup',
  'capabilities:none',
  'no-new-user-namespaces',
  'read-only-system',
  'read-only-procfs',
  'tmpfs-size',
  'empty-environment',
  'die-with-runner',
] as const

/** Of those, what each execution of the tier `fork` has by itself; the rest it has from the jail around it. */
export const FORK_ENFORCED = [
  'namespaces:user,pid,net,ipc,uts,mount,cgroup',
  'capabilities:none',
  'no-new-user-namespaces',
  'read-only-system',
  'read-only-procfs',
  'tmpfs-size',
  'init-unreadable',
  'die-with-runner',
] as const

/** Top-level folders of the host that programs need: links where /usr is merged, else the folders themselves. */
export function systemArguments(): string[] {
  const args = ['--ro-bind', '/usr', '/usr']
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64']) {
    const stat = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) args.push('--symlink', readlinkSync(`/${name}`), `/${name}`)
    else if (stat?.isDirectory()) args.push('--ro-bind', `/${name}`, `/${name}`)
  }
  return [...args, '--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache']
}

export type JailFolders = { readonly system: readonly string[]; readonly binds: readonly Bind[] }

type DescribedFile = PlacedFile & { readonly descriptor: number }

export type JailExtras = {
  readonly server?: { readonly link: string }
  /** Files that bubblewrap reads from descriptors and writes, in this order. */
  readonly files?: readonly DescribedFile[]
}

/**
 * The arguments of one sandbox, or of the jail around a server of forks. The latter may make namespaces
 * and, without a read-only procfs, write the user maps of its children; it has the folder `link` of the
 * runner's socket at /tmp/link, which its children cover. It never runs a candidate. Nothing in them is secret: the candidate can read them in procfs.
 * Everything is read-only but /tmp, a tmpfs of `diskBytes` that also holds the working folder.
 */
export function jailArguments(
  folders: JailFolders,
  env: Readonly<Record<string, string>>,
  diskBytes: number,
  descriptors: { info: number; block: number; seccomp: number | null },
  { server, files = [] }: JailExtras = {},
): string[] {
  const parts: ReadonlyArray<readonly string[]> = [
    ['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ['--uid', INSIDE_ID, '--gid', INSIDE_ID, '--hostname', 'sandbox'],
    ['--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
    server === undefined ? ['--disable-userns'] : [],
    folders.system,
    folders.binds.flatMap(({ source, target }) => ['--ro-bind', source, target]),
    ['--proc', '/proc'],
    server === undefined ? ['--remount-ro', '/proc'] : [],
    ['--size', '65536', '--tmpfs', '/dev'],
    DEVICES.flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/tmp', '/dev/shm', '--remount-ro', '/dev'],
    ['--size', String(diskBytes), '--tmpfs', '/tmp', '--dir', '/tmp/work', '--chdir', '/tmp/work'],
    server === undefined ? [] : ['--ro-bind', server.link, '/tmp/link'],
    files.flatMap(fileArguments),
    // The root is a tmpfs of bubblewrap's without a size: left writable it would be memory for the taking.
    ['--remount-ro', '/'],
    Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ['--info-fd', String(descriptors.info), '--block-fd', String(descriptors.block)],
    descriptors.seccomp === null ? [] : ['--seccomp', String(descriptors.seccomp)],
    ['--'],
  ]
  return parts.flat()
}

/** A program is shown read-only from outside the working folder; a file of the request is written into it. */
function fileArguments({ path, isReadOnlyProgram, descriptor }: DescribedFile): string[] {
  if (isReadOnlyProgram === true) return ['--perms', '0555', '--ro-bind-data', String(descriptor), path]
  const parts = path.split('/').slice(0, -1)
  const folders = parts.map((_, i) => parts.slice(0, i + 1).join('/')).filter((folder) => folder !== '')
  return [...folders.flatMap((folder) => ['--dir', folder]), '--perms', '0644', '--file', String(descriptor), path]
}
