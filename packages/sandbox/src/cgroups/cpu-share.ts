import { availableParallelism } from 'node:os'

/**
 * Sandboxes share the processor by sandbox and not by process, so that one with a hundred processes, or sessions,
 * takes no more than one with a single process. Each has the kernel's default weight. Together they weigh as much as
 * the programs that a runner has slots for by default, twice the cores: with that of one cgroup alone they would be
 * one process beside whatever else runs on the machine.
 */
const TOGETHER = 2 * availableParallelism()

/** `cpu.shares` of all sandboxes together; cgroups(7), at most 2^18. */
export const SHARES_V1 = Math.min(262_144, 1024 * TOGETHER)
/** `cpu.weight` of all sandboxes together; at most 10,000. */
export const WEIGHT_V2 = Math.min(10_000, 100 * TOGETHER)
