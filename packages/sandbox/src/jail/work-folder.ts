import { closeSync, constants, openSync, statfsSync } from 'node:fs'

/** The working folder of a sandbox, held so that it can be read once every process inside is dead. */
export type WorkFolder = {
  /** A path through which the folder itself is reached, whatever the program has put in its way. */
  readonly path: string
  /** Whether its file system has nothing left. */
  readonly isFull: () => boolean
  readonly close: () => void
}

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * Opens the folder through a process of the sandbox that lives and runs nothing of the candidate's yet. The
 * descriptor keeps the file system when the sandbox's namespaces are gone. Null where the kernel refuses it: the
 * runner has to be root with CAP_SYS_PTRACE, or the user of the sandboxes.
 */
export function openWorkFolder(pid: number): WorkFolder | null {
  try {
    const descriptor = openSync(`/proc/${pid}/root/tmp/work`, FLAGS)
    const path = `/proc/self/fd/${descriptor}`
    return {
      path,
      isFull: () => {
        const { bavail, ffree, files } = statfsSync(path)
        return bavail === 0 || (files > 0 && ffree === 0)
      },
      close: () => closeSync(descriptor),
    }
  } catch {
    return null
  }
}
