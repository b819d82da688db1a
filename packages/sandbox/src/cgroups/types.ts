export type CgroupLimits = { readonly memoryBytes: number; readonly processes: number }

type CgroupUsage = {
  readonly cpuMs: number | null
  readonly peakMemoryBytes: number | null
  readonly oomKills: number
  /** How often a process or thread was refused for the limit of processes. */
  readonly pidsMaxHits: number
}

/** The cgroup of one sandbox; it is used once. */
export type Cgroup = {
  /**
   * Moves a process in; what it starts from then on is in too. `init` is the process above it that takes on its
   * orphans, where that is another.
   */
  readonly add: (pid: number, init?: number) => Promise<void>
  /** Sets other limits than it was made with. @throws Error if the system refuses them */
  readonly limit: (limits: CgroupLimits) => void
  readonly cpuMs: () => number | null
  readonly usage: () => CgroupUsage
  readonly isEmpty: () => boolean
  /** Removes the cgroup once it is empty. Never throws: what stays is swept by a later start. */
  readonly remove: () => Promise<void>
}

/** Where cgroups of sandboxes come from. */
export type CgroupBackend = {
  readonly kind: 'v2' | 'v1' | 'none'
  /** What it enforces, in the words of `isolation.enforced`. */
  readonly enforced: readonly string[]
  /** @throws Error if the system refuses a cgroup */
  readonly create: (id: string, limits: CgroupLimits) => Cgroup
  readonly close: () => Promise<void>
}
